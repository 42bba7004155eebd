served = 0


class Engine:
    limit = 5

    def __init__(self, factor):
        self.factor = factor
        self.seen = 0

    def handle_scale(self, value):
        return min(value * self.factor, self.limit)

    def handle_count(self, value):
        return self.seen

    def handle(self, name, value):
        self.seen += 1
        method = getattr(self, f"handle_{name}", None)
        return "?" if method is None else method(value)

    def report(self):
        return f"{served} served"


def serve(requests, answers, factor):
    engine = Engine(factor)
    for name, value in iter(requests.recv, None):
        answers.send(engine.handle(name, value))
