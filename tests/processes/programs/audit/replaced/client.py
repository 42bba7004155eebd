import logging

log = logging.getLogger("client")


def get(url):
    return "real"


def close():
    pass


def check(what):
    try:
        if what == "get":
            return get(what)
        return log.shout(what) if what == "shout" else _(what)
    except (AttributeError, NameError) as error:
        return type(error).__name__
