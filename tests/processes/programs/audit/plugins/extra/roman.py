import base


@base.runner
def number(text):
    return f"{text} is {len(text)} digits"
