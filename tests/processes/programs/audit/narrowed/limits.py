LIMIT = 10
CURRENT = 0
SERVED = 0
PREFIX = "plain"


def check(value, limit=None):
    if limit is None:
        limit = LIMIT
    return value < limit


def describe():
    return f"{PREFIX} {CURRENT}"


def number(value):
    global CURRENT
    CURRENT = value * 2
    return describe()


def number_or_not(value):
    global CURRENT
    if value < 0:
        CURRENT = 1
    return describe()


def refuse(value):
    if value < 0:
        raise ValueError(PREFIX)
    return LIMIT


def serve(value):
    global SERVED
    SERVED += 1
    return value


def serve_in_turn(value):
    global SERVED
    SERVED += 1
    return SERVED
