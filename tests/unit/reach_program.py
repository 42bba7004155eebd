"""Functions whose code is followed; none of them is called."""

import functools
import os
from contextvars import ContextVar

OPTIONS = {"depth": 1, "width": 2}
LIMIT = 5
UNREAD = 6
MISSING = object()
NUMBER: ContextVar[int] = ContextVar("number")
HANDLERS = {}
CACHE = None


class Settings:
    rate = 3
    other = 4

    def __init__(self):
        self.debug = False
        self.path = "/"

    @property
    def shown(self):
        return self.debug

    def where(self, name):
        return self.path + name


class Special(Settings):
    def where(self, name):
        return super().where(name) + str(LIMIT)


class ApiError(Exception):
    def __init__(self, code, text):
        super().__init__(text)


class PlainError(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)


settings = Settings()
special = Special()


def get():
    return settings


def passed(config, key="width", *, table=OPTIONS):
    return config.path, table["width"]


def handler(function):
    HANDLERS[function.__name__] = function
    return function


@handler
def first():
    return LIMIT


def wrap(function):
    def inner(*args):
        return function(*args) + LIMIT

    return inner


@wrap
def wrapped(number):
    return OPTIONS["depth"] + number


@functools.lru_cache
def cached(number):
    return LIMIT + number


# --- tasks


def key(number):
    return OPTIONS["depth"]


def any_key(name):
    return OPTIONS[name]


def attribute(number):
    return settings.path


def by_property(number):
    return settings.shown


def by_method(number):
    return settings.where("x")


def by_super(number):
    return special.where("x")


def by_result(number):
    return get().path


def by_argument(number):
    return passed(settings)


def by_local(number):
    mine = settings
    again = mine
    return [again.debug for _ in range(number)]


def by_name(number):
    return getattr(settings, "path")  # noqa: B009


def by_comprehension(number):
    return dict.fromkeys(range(number), OPTIONS["depth"])


def in_handler(number):
    try:
        return number // 0
    except ZeroDivisionError:
        return settings.path


def by_closure(number):
    def inside():
        return settings.debug

    return inside()


def by_registry(name):
    return HANDLERS[name]()


def decorated(number):
    return wrapped(number)


def memory(number):
    return cached(number)


def of_class(number):
    return Settings.rate


def of_instance(config):
    return config.rate


def context(number):
    return NUMBER.get()


def variable(number):
    return os.environ["TOKEN"], os.environ.get("URL"), os.getenv("HOME")


def lazily(number):
    global CACHE
    if CACHE is None:
        CACHE = number
    return CACHE


def compares(value):
    return value is MISSING


def raises(number):
    raise ApiError(1, "x") if number else PlainError(1, "x")


def stores(number):
    settings.debug = True
    OPTIONS["depth"] = number
    os.environ["TOKEN"] = "x"


def imports(number):
    from json import dumps

    return dumps(number)


def nothing(number):
    return number + 1
