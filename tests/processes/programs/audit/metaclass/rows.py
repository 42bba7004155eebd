class Kind(type):
    level = 1
    unasked = 1

    def __getitem__(cls, key):
        return cls.shown[key]

    @property
    def size(cls):
        return len(cls.__name__)


class Table(metaclass=Kind):
    shown = {"a": 1}  # noqa: RUF012


def read(value):
    return Table["a"], Table.level, Table.size, Table.__name__
