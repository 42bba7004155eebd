import time

RETRIES = 5


def now():
    return time.time()


class Client:
    def get(self, path):
        return "REAL " + path
