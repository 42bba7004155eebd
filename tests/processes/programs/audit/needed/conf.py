import functools


class Settings:
    """Made when it is first asked for."""

    __made = None

    def __init__(self):
        self.load({"unit": "EUR", "places": 2, "asked": 0})

    def load(self, values):
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def get(cls):
        if cls.__made is None:
            cls.__made = cls()
        return cls.__made


@functools.cache
def cached():
    return Settings()


@functools.lru_cache(maxsize=8)
def table():
    return {"a": 1, "b": 2}


def of_singleton(value):
    settings = Settings.get()
    settings.asked += 1
    return f"{value:.{settings.places}f} {settings.unit}"


def of_cache(value):
    return f"{value:.{cached().places}f}"


def of_table(value):
    return table()["a"] + value
