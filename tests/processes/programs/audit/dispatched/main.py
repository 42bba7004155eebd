"""A process calls the methods of its object by the names that it is sent."""

import multiprocessing
import sys

import engine


def negate(self, value):
    return -value


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    engine.served = 2
    engine.Engine.report = lambda self: "nothing"
    names = ["scale", "count"]
    if "more" in sys.argv:
        engine.Engine.handle_negate = negate
        names.append("negate")
    inbox, requests = context.Pipe(duplex=False)
    answers, outbox = context.Pipe(duplex=False)
    process = context.Process(target=engine.serve, args=(inbox, outbox, 2))
    process.start()
    for name in names:
        requests.send((name, 2))
        print(name, answers.recv())
    requests.send(None)
    process.join()
    print(engine.Engine(1).report())
