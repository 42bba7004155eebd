"""Pickles that workers can read which have no main module of the program's (loky's, dask's).

Plain pickle sends functions and classes by name. Where cloudpickle is there, as it is with loky, a
copy by value goes along for workers in which a name of ``__main__`` leads nowhere; and what has no
name at all, as lambdas, local functions and mocks, goes by value alone.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BY_VALUE = ("cloudpickle", "joblib.externals.cloudpickle")


def dumps(value: object) -> bytes:
    """Pickle ``value``; what refers to the main module also by value, where that is possible."""
    import pickle

    try:
        data = pickle.dumps(value, 4)
    except Exception as error:
        return pickle.dumps((None, _by_value(value, error)), 4)
    copy = None
    if b"__main__" in data:
        for name in _BY_VALUE:
            cloudpickle: Any = sys.modules.get(name)
            if cloudpickle is not None:
                try:
                    copy = cloudpickle.dumps(value)
                    break
                except Exception:  # by name it can be sent, so by name it is
                    pass
    return pickle.dumps((data, copy), 4)


def loads(data: bytes) -> Any:
    """Read what ``dumps`` gave."""
    import pickle

    plain, copy = pickle.loads(data)
    if plain is None:
        return pickle.loads(copy)
    try:
        return pickle.loads(plain)
    except AttributeError:
        if copy is None:
            raise
        return pickle.loads(copy)


def _by_value(value: object, error: Exception) -> bytes:
    """Pickle what has no name to go by; ``error`` says why plain pickle can't, if nothing can."""
    import io

    from workerstate import mocks

    for base in _picklers():

        class Pickler(base):  # type: ignore[misc, valid-type]
            def reducer_override(self, held: Any) -> Any:
                made = mocks.reduced(held)
                above = getattr(super(), "reducer_override", None)
                return above(held) if made is NotImplemented and above is not None else made

        file = io.BytesIO()
        try:
            Pickler(file, 4).dump(value)
        except Exception:
            continue
        return file.getvalue()
    raise error


def _picklers() -> Iterator[type]:
    import pickle

    yield pickle.Pickler
    for name in _BY_VALUE:
        # cloudpickle is small; joblib, which has a copy, is not.
        if name in sys.modules or "." not in name:
            try:
                yield __import__(name, fromlist=["_"]).Pickler
            except ImportError:
                pass
