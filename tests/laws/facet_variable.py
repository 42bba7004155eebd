"""A program's module that holds a context variable."""

from contextvars import ContextVar

VARIABLE = ContextVar("VARIABLE", default=None)
