import functools
import weakref


class Default:
    def __init__(self, value):
        self.value = value

    def __get__(self, plan, cls):
        return self if plan is None else plan.__dict__.get("limit", self.value)


class OfClass:
    def __get__(self, plan, cls):
        return cls._tier


class Once:
    """Computes what it gives for a class once."""

    def __init__(self, function):
        self.function = function
        self.kept = None

    def __get__(self, plan, cls):
        if self.kept is None:
            self.kept = self.function(cls)
        return self.kept


class Checked:
    def __init__(self):
        self.values = weakref.WeakKeyDictionary()

    def __get__(self, plan, cls):
        return self.values[plan]

    def __set__(self, plan, value):
        self.values[plan] = abs(value)


class Scaled:
    """Goes before what the object itself holds under that name."""

    factor = 1

    def __get__(self, plan, cls):
        return plan.__dict__["width"] * self.factor

    def __set__(self, plan, value):
        plan.__dict__["width"] = value


class Remembering:
    """A decorator of methods that keeps what they gave."""

    def __init__(self, function):
        self.function = function
        self.given = {}

    def __get__(self, plan, cls):
        return functools.partial(self, plan)

    def __call__(self, plan, value):
        if value not in self.given:
            self.given[value] = self.function(plan, value)
        return self.given[value]


class Plan:
    _tier = "basic"
    limit = Default(1)
    other = Default(2)
    tier = OfClass()
    size = Checked()
    width = Scaled()

    def __init__(self, size):
        self.size = self.width = size

    @property
    def rate(self):
        return 3

    @property
    def unasked(self):
        return 0

    @functools.cached_property
    def total(self):
        return 10

    @Once
    def kinds(cls):
        return ["a", "b"]

    @Remembering
    def cost(self, value):
        return value * 2


kept = Plan(7)


def read(value):
    plan = Plan(value)
    own = plan.rate, plan.total, plan.limit, plan.tier, plan.size, plan.kinds, plan.cost(value)
    return own, kept.width
