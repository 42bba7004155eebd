RUNNERS = {}


def runner(function):
    RUNNERS[function.__name__] = function
    return function


@runner
def upper(text):
    return text.upper()


def run(name):
    found = RUNNERS.get(name)
    return "?" if found is None else found("ix")
