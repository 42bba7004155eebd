"""Know what your workers start with, declare what they must start with, keep it so.

Every worker imports this package, so the public names are loaded when first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workerstate.asking import resource, rng, stdlib_rng, worker
    from workerstate.drift.change import Drift
    from workerstate.errors import (
        BackendUnavailableError,
        CarryWarning,
        DriftError,
        DriftWarning,
        FacetError,
        NoTaskError,
        SlowStartWarning,
        SpecError,
        TaskReadError,
        TaskTimeoutError,
        TemplateError,
        WorkerDiedError,
        WorkerStartError,
        WorkerstateError,
    )
    from workerstate.executor import Executor
    from workerstate.explaining.task import explain
    from workerstate.pickling_errors import ResultError, TaskPicklingError
    from workerstate.purity import Purity
    from workerstate.resources import Resource
    from workerstate.snapshot import compare, take_snapshot
    from workerstate.spec import WorkerSpec
    from workerstate.start_reports import StartReport
    from workerstate.values import Captured, Difference, Finding, Snapshot
    from workerstate.workerside import Worker

__version__ = "0.1.0"

_HOME = {
    "BackendUnavailableError": "errors",
    "Captured": "values",
    "CarryWarning": "errors",
    "Difference": "values",
    "Drift": "drift.change",
    "DriftError": "errors",
    "DriftWarning": "errors",
    "Executor": "executor",
    "FacetError": "errors",
    "Finding": "values",
    "Purity": "purity",
    "NoTaskError": "errors",
    "Resource": "resources",
    "ResultError": "pickling_errors",
    "SlowStartWarning": "errors",
    "Snapshot": "values",
    "SpecError": "errors",
    "StartReport": "start_reports",
    "TaskPicklingError": "pickling_errors",
    "TaskReadError": "errors",
    "TaskTimeoutError": "errors",
    "TemplateError": "errors",
    "Worker": "workerside",
    "WorkerDiedError": "errors",
    "WorkerSpec": "spec",
    "WorkerStartError": "errors",
    "WorkerstateError": "errors",
    "compare": "snapshot",
    "explain": "explaining.task",
    "resource": "asking",
    "rng": "asking",
    "stdlib_rng": "asking",
    "take_snapshot": "snapshot",
    "worker": "asking",
}

__all__ = [
    "BackendUnavailableError",
    "Captured",
    "CarryWarning",
    "Difference",
    "Drift",
    "DriftError",
    "DriftWarning",
    "Executor",
    "FacetError",
    "Finding",
    "NoTaskError",
    "Purity",
    "Resource",
    "ResultError",
    "SlowStartWarning",
    "Snapshot",
    "SpecError",
    "StartReport",
    "TaskPicklingError",
    "TaskReadError",
    "TaskTimeoutError",
    "TemplateError",
    "Worker",
    "WorkerDiedError",
    "WorkerSpec",
    "WorkerStartError",
    "WorkerstateError",
    "__version__",
    "compare",
    "explain",
    "resource",
    "rng",
    "stdlib_rng",
    "take_snapshot",
    "worker",
]


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'workerstate' has no attribute {name!r}")
    module = __import__(f"workerstate.{home}", fromlist=[name])
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
