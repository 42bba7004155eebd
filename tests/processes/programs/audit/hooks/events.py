import collections

HANDLERS = collections.defaultdict(list)
NAMES = ("start", "stop")


def on(name):
    def keep(function):
        HANDLERS[name].append(function)
        return function

    return keep


def emit(name):
    return [handler() for handler in HANDLERS[name]] if name in NAMES else None
