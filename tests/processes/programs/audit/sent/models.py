import sys


class Base:
    def __init__(self, total):
        self.total = total


class Stand:
    """Is sent as something else."""

    def __init__(self, row):
        self.row = row
        self.total = row.total

    def __reduce__(self):
        return Base, (self.total,)


def build(names=("Invoice",)):
    for name in names:
        setattr(sys.modules[__name__], name, type(name, (Base,), {"__module__": __name__}))
