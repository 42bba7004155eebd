"""What to do about something that can't be pickled."""

from __future__ import annotations

_OPENED = "open it in the worker: WorkerSpec(resources={...}), or an initializer"
_MADE = "make it in the worker (an initializer), or leave it out in its owner's __getstate__"

# The first words that occur in the error decide; what goes on inside an object comes first.
_BY_ERROR = (
    (
        "through inheritance",
        "hand it to workers once: initializer= and initargs=, or Process(args=)",
    ),
    ("<lambda>", "use a function defined at the top of a module; loky sends a lambda by value"),
    ("<locals>", "define it at the top of a module; loky sends it by value"),
    ("local object", "define it at the top of a module; loky sends it by value"),
    ("not the same object as", "let the name lead to what is sent, or send what the name leads to"),
    ("not found as", "define it where its name says, at the top of its module"),
    ("'module' object", "import the module where it is used, in place of holding it"),
    ("generator", "send what it would give, as a list"),
    ("coroutine", "run it in the parent, or make it in the worker"),
    ("_thread.", _MADE),
    ("_io.", "send the path, and open the file in the worker"),
    ("socket", _OPENED),
    ("onnection", _OPENED),
    ("weakref", _MADE),
    ("AuthenticationString", "start the process from its parent, not from a task"),
)


def remedy(error: str) -> str:
    """Give what to do about a refusal with that text."""
    for words, said in _BY_ERROR:
        if words in error:
            return said
    return _MADE
