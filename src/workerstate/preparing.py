"""How a template is prepared, once, and how a worker forked from it starts.

The template takes the parent's settings, imports, opens what is shared, and runs the initializer.
A worker opens what it must have of its own, and draws random numbers of its own.
"""

from __future__ import annotations

import os
import sys

from workerstate import mainmodule, portable, starting, workerside
from workerstate.resources import close_at_exit
from workerstate.sending import send_prints
from workerstate.snapshot import apply_settings
from workerstate.start_reports import FAILED, STARTED
from workerstate.steps import Steps
from workerstate.workerside import Here, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from workerstate.errors import WorkerStartError
    from workerstate.workerside import Birth

TEMPLATE = -1  # in the place of a worker's number


def read(
    number: int,
    data: bytes,
    main: tuple[mainmodule.Entry | None, Mapping[str, bytes]] | None,
    early: Mapping[str, Mapping[str, Any]],
) -> tuple[Any, WorkerStartError | None]:
    """Read what the parent has sent of a spec; what goes wrong is given.

    Args:
        number: this worker's.
        data: what ``portable.dumps`` gave. It may be of classes of the main module.
        main: as for ``mainmodule.begin``; None where this process has the main module.
        early: settings that come before it.
    """
    step = "the settings of set="
    try:
        apply_settings(early)
        if main is not None:
            step = mainmodule.said(main[0])
            mainmodule.begin(*main)
            if main[0] is None:
                portable.by_value_first()
        step = "what the spec holds"
        return portable.loads(data), None
    except BaseException as error:
        return None, starting.failure(number, step, error)


def prepare(birth: Birth, settings: bytes | None, fingerprint: str) -> Here:
    """Make this process what workers are forked from; a failure is kept in ``Here.failure``."""
    here = Here(birth, Worker(TEMPLATE, "template", "workerstate", birth.parent), False)
    steps = Steps(here, _place(birth))
    token = workerside._here.set(here)
    try:
        starting.take_settings(here, steps, settings, fingerprint)
        starting.open_resources(here, steps, shared=True)
        starting.initialize(here, steps)
    except BaseException as error:
        here.failure = starting.failure(here.who.number, steps.step, error)
        steps.tell(FAILED)
        here.close()
    finally:
        workerside._here.reset(token)
    workerside._heres[birth.fleet] = here
    return here


def place(template: Here, number: int) -> Here:
    """Make this process, forked from the template, one whose forks are workers of that number."""
    here = Here(template.birth, template.who.replace(number=number), False)
    here.applied, here.fingerprint = template.applied, template.fingerprint
    here.opened = template.opened.copy()
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().name = f"TemplateProcess-{number + 1}"
    workerside._heres[here.birth.fleet] = here
    workerside._worn[0] = here
    send_prints(here.birth)  # lines of two processes in one pipe would be torn
    return here


def make_ready(here: Here) -> bool:
    """Do before a fork all that its worker would have to do at its start; False if that can't be.

    The global generators are in another state before each.
    """
    if here.birth.seed is not None or has_own(here.birth):
        return False
    reseed_globals()
    return True


def has_own(birth: Birth) -> bool:
    """Tell whether each worker opens resources of its own."""
    return any(not each.shared for each in birth.resources.values())


def enter(here: Here, *, report: bool) -> None:
    """Start this process as that worker; a failure is kept in ``Here.failure``.

    Args:
        here: what ``place`` gave, in this process or the one that it was forked from.
        report: whether the parent is to hear of it; not of each task's own process.
    """
    own = has_own(here.birth)
    steps = Steps(here, _place(here.birth))
    token = workerside._here.set(here)
    try:
        own_randomness(here)
        if own:
            close_at_exit(here.close)
            starting.open_resources(here, steps, shared=False)
        if report:
            steps.tell(STARTED)
    except BaseException as error:
        here.failure = starting.failure(here.who.number, steps.step, error)
        steps.tell(FAILED)
        here.close()
    finally:
        workerside._here.reset(token)


def own_randomness(here: Here) -> None:
    """Give the global generators states of their own: forked, they are the same in each process.

    ``random`` does so by itself (os.register_at_fork); numpy's and torch's don't. A spec's seed
    makes them a stream of the worker's, and of each task later on.
    """
    seed = here.birth.seed
    if seed is not None:
        from workerstate.seeds import Stream, seed_globals

        here.stream = Stream(seed, 0, f"worker {here.who.number} {os.getpid()}")
        seed_globals(here.stream)
    else:
        reseed_globals()


def reseed_globals() -> None:
    """Seed numpy's and torch's global generators from the system's."""
    legacy: Any = sys.modules.get("numpy.random")
    if legacy is not None and hasattr(legacy, "seed"):
        legacy.seed()
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)


def _place(birth: Birth) -> str:
    place = os.path.join(birth.folder, birth.fleet)
    if os.path.isdir(birth.folder):
        try:
            os.makedirs(place, 0o700, exist_ok=True)
        except OSError:  # full, or of another user: then the parent isn't told
            pass
    return place
