import functools


class Circle:
    pass


class Square:
    pass


@functools.singledispatch
def show(value):
    return "something"


def describe(value):
    return show(value)
