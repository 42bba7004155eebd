"""The parent's side of a process: the moment before it is started, and its exit status.

Every ``Popen`` class of the field sets ``self.returncode`` to None just before it launches and
to the exit status when it has it. A property of that name sees both, from outside any traceback.
"""

from __future__ import annotations

import os
import sys

from workerstate.observe import declare, hook, state, submissions
from workerstate.observe.seams.marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

# Whose worker processes get the queue of their pool as their first argument.
POOLS = frozenset(
    (
        "multiprocessing.pool",
        "concurrent.futures.process",
        "loky.process_executor",
        "joblib.externals.loky.process_executor",
        "pebble.pool.process",
    )
)
# Whether a library is about to fork a worker (the parent's next launch says what came of it).
pending = False
# Whether subprocess is about to fork only to run the program's ``preexec_fn`` and exec.
execs = False
# What a child of the fork server is said to have ended with by the second of two threads that ask
# at once: the first has taken the status from the pipe (``popen_forkserver.Popen.poll``).
_UNREAD = 255
_NOT_OBSERVED_FLAGS = ("-S", "-I", "-E")
_SHIM = os.path.join(os.path.dirname(hook.__file__), "shim")


def install(module: ModuleType) -> None:
    """Watch the module's ``Popen`` class."""
    cls: Any = module.Popen
    if isinstance(cls.__dict__.get("returncode"), property):
        return

    ending = sys.is_finalizing  # bound here: by then the names of this module may be gone

    def get(self: Any) -> int | None:
        try:
            return self.__dict__["returncode"]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError("returncode") from None

    def set_(self: Any, status: int | None) -> None:
        before = self.__dict__.get("returncode")
        self.__dict__["returncode"] = status
        if ending():
            return
        if status is None:
            hook.quietly(_launching, self, sys._getframe(1))
        elif before is None or (before == _UNREAD and status != before):
            hook.quietly(_exited, self, status, before)

    cls.returncode = property(get, set_)


def _launching(popen: Any, frame: FrameType) -> None:
    global pending
    pending = False
    found = frame.f_locals
    process = found.get("process_obj")
    if process is None:
        if "preexec_fn" in found:
            _launching_program(found)
        return
    method = getattr(type(popen), "method", None) or type(popen).__module__
    if method == "fork":
        # The snapshot follows from the fork hook, nearer to the fork.
        pending = True
        number = 0
    else:
        number = state.record_parent()
    hook.emit(
        "launch",
        name=str(process.name),
        method=method,
        library=type(popen).__module__.partition(".")[0],
        snapshot=number,
        pool=_pool(process),
        unobserved=None if method == "fork" else _hidden_by(os.environ, "an emptied environment"),
    )
    if submissions.listener is not None:
        hook.quietly(submissions.listener.launching, process, method, frame)
    if declare.VARIABLE in os.environ:
        declare.attach(process, _pool(process))


def _pool(process: Any) -> int | None:
    """Give the mark of the pool that a worker is started for: what its workers have in common."""
    target: Any = getattr(process, "_target", None)
    arguments = getattr(process, "_args", ())
    if getattr(target, "__module__", None) in POOLS and arguments:
        return mark(arguments[0])
    if type(target).__module__ == "billiard.pool":
        return mark(target.inq)
    shared = getattr(process, "worker_comms", None)  # mpire
    return None if shared is None else mark(shared)


def _launching_program(found: dict[str, Any]) -> None:
    """Note a subprocess: only whether it is a Python that will be observed, never its arguments."""
    global execs
    execs = found.get("preexec_fn") is not None
    arguments, env = found.get("args"), found.get("env")
    if isinstance(arguments, (str, bytes, os.PathLike)):
        arguments = [arguments]
    words = [os.fsdecode(word) for word in list(arguments or ())[:6]]
    if found.get("shell") or not words:
        reason = None
    else:
        reason = unobserved(os.fsdecode(found.get("executable") or words[0]), words[1:], env)
    hook.emit("launch", name="", method="exec", library="subprocess", unobserved=reason)


def unobserved(program: str, arguments: list[str], env: Any) -> str | None:
    """Say why a Python child started so can't be observed; None if it is, or is no Python."""
    if not os.path.basename(program).lower().startswith(("python", "pypy")):
        return None
    for argument in arguments:
        if not argument.startswith("-") or argument in ("-", "-c", "-m"):
            break
        if argument.startswith("--"):
            continue
        for flag in _NOT_OBSERVED_FLAGS:
            if flag[1] in argument[1:] and not argument.startswith(("-W", "-X")):
                return f"started with {flag}"
    if env is None:
        return _hidden_by(os.environ, "an emptied environment")
    own = {os.fsdecode(name): value for name, value in env.items()}
    return _hidden_by(own, "an environment of its own (env=...)")


def _hidden_by(environ: Any, what: str) -> str | None:
    """Say why a Python that gets this environment can't be observed; None if it can."""
    if hook.VARIABLE not in environ:
        return f"started with {what}"
    if _SHIM not in os.fsdecode(environ.get("PYTHONPATH", "")):
        return "started with a PYTHONPATH of its own"
    return None


def _exited(popen: Any, status: int, before: int | None) -> None:
    hook.emit("childexit", pid=getattr(popen, "pid", None), code=status, instead=before)
    if declare.VARIABLE in os.environ:
        declare.settle()
