import functools

ROOT = None
TAG = None
progress = 0
idle = None


class Link:
    def __init__(self, base):
        self.base = base

    def url(self, page):
        return f"{self.base}/{page}"


class Farm:
    """Runs in the parent; its tasks are its methods."""

    def __init__(self):
        self.rate = 2

    def run(self, pool):
        global progress
        results = pool.map(self.work, [1, 2])
        progress += len(results)
        return f"{results} {progress}"

    def work(self, number):
        return number * self.rate


class Connections:
    def __init__(self):
        self.idle = []

    def take(self):
        return self.idle.pop() if self.idle else Link("made")

    def set(self, page):
        link = self.take()
        self.idle.append(link)
        return link.url(page)


connections = Connections()


def fetch(page):
    return connections.set(page)


class Carried:
    """Brings globals along, if it is told to."""

    def __init__(self, function, values):
        self.function = function
        self.values = values

    def __call__(self, number):
        for name, value in self.values.items():
            setattr(_module(), name, value)
        try:
            return self.function(number)
        except TypeError:
            return None


def _module():
    import jobs

    return jobs


def double(number):
    return ROOT * number


def tagged(number):
    return TAG + str(number)


def both(values):
    return [functools.partial(Carried(each, values), 3) for each in (double, tagged)]
