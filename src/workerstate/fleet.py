"""The parent's side of one pool whose workers start as a spec declares."""

from __future__ import annotations

import itertools
import os
import sys
import time
from _thread import get_ident

from workerstate import carrying, portable, preloading, start_reports
from workerstate.applying import EARLY
from workerstate.drift.policy import policies
from workerstate.drift.reports import Inbox
from workerstate.errors import SpecError
from workerstate.seeds import GLOBAL_GENERATORS
from workerstate.workerside import Birth, Bound, Stamp, Start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from workerstate.errors import WorkerStartError
    from workerstate.seeds import Key
    from workerstate.spec import WorkerSpec
    from workerstate.start_reports import StartReport

_ordinals = itertools.count(1)


class Fleet:
    """The workers of one pool, as the parent knows them.

    A fleet that is not a pool's ``own`` is the spec's: pools with equal specs that share workers,
    as loky's and joblib's do, share the fleet too; a worker starts once for all of them.

    Attributes:
        spec: what they start with.
        name: what they are known by.
        remote: they can't read this process's folder; a task brings its settings along.
        reused: a worker runs more than one task, so that what one leaves behind matters.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        backend: str | None = None,
        size: int | None = None,
        own: bool = True,
        remote: bool = False,
        reused: bool = True,
    ) -> None:
        self.spec = spec
        self.backend = backend
        self.size = size
        self.remote = remote
        self.reused = reused
        self.name = f"{spec.identity}-{os.getpid()}"
        if own:
            self.name += f"-{next(_ordinals)}"
        self._birth: tuple[int, Birth, bytes] | None = None
        self._last: Stamp | None = None
        # Now: what an equal spec's workers have told before is not this pool's to tell again.
        self._inbox = self._new_inbox() if spec.drift != "ignore" else None

    @property
    def drift(self) -> Inbox:
        """What workers have told about drift since this was made."""
        if self._inbox is None:
            self._inbox = self._new_inbox()
        return self._inbox

    def _new_inbox(self) -> Inbox:
        return Inbox(os.path.join(start_reports.folder(), self.name))

    def early(self) -> dict[str, Mapping[str, Any]]:
        """Give what ``set=`` says of where imports come from and what they read."""
        given = self.birth().given
        return {name: given[name] for name in EARLY if name in given}

    @property
    def moves_imports(self) -> bool:
        """Whether a task may bring a path on which the modules of its own function are."""
        return not {"sys_path", "all"}.isdisjoint(self.spec.carry)

    @property
    def retires(self) -> bool:
        """Whether drift may end a worker after any task."""
        drift = self.birth().drift
        return drift is not None and drift.retires

    def birth(self) -> Birth:
        """Give what a worker needs to know; opens the way for its records."""
        return self._made()[1]

    def prepared(self) -> Birth | None:
        """Give what ``birth`` has given, in this process or the one that it was forked from."""
        return self._birth[1] if self._birth is not None else None

    def _made(self) -> tuple[int, Birth, bytes]:
        if self._birth is None or self._birth[0] != os.getpid():
            birth = self._make()
            self._birth = (os.getpid(), birth, portable.dumps(birth))
        return self._birth

    def _make(self) -> Birth:
        spec, carried = self.spec, self.spec.carried
        address = level = None
        if carried.records or carried.stdio:
            from workerstate.records import hub

            address = hub.shared().address()
        if "loguru" in sys.modules and carried.records:
            from workerstate.records.loguru_bridge import lowest_level

            level = lowest_level()
        # random is cheap, and no worker should depend on whether a task has imported it first.
        libraries = [name for name in GLOBAL_GENERATORS if name == "random" or name in sys.modules]
        return Birth(
            fleet=self.name,
            folder=start_reports.folder(),
            parent=os.getpid(),
            thread=get_ident(),
            records=address,
            logs=carried.records,
            stdio=carried.stdio,
            on_full=spec.on_full,
            level=level,
            explicit=tuple(spec.explicit),
            given=spec.given,
            preload=preloading.sources(spec.preload),
            resources=spec.resources,
            initializer=spec.initializer,
            teardown=spec.teardown,
            seed=spec.seed,
            libraries=tuple(libraries),
            backend=self.backend,
            size=self.size,
            drift=policies(spec.drift) if self.reused else None,
        )

    def stamp(self, call: int = 0, key: Key | None = None) -> Stamp:
        """Give what a task brings that is submitted now, from this thread."""
        birth = self._made()
        data = self.spec.settings()
        name = carrying.keep(data) if data else ""
        settings = data if self.remote else None
        return Stamp(birth[2], self.name, name, settings, self.spec.seed, call, key)

    def orders(self) -> tuple[Birth, bytes | None, str]:
        """Give what a worker that is started now must be sent.

        A pool that replaces a worker does so in a thread of its own, where an error would be lost;
        then what was carried last serves.
        """
        try:
            self._last = self.stamp()
        except SpecError:
            if self._last is None:
                raise
        return self.birth(), self._last.settings, self._last.fingerprint

    def orders_here(self) -> tuple[Birth, bytes | None, str]:
        """Give the same in a process that was forked: what the parent had then, this one has."""
        prepared = self.prepared()
        if prepared is None or prepared.parent == os.getpid():
            return self.birth(), None, ""
        data = self.spec.settings()
        return prepared, data, carrying.fingerprint(data) if data else ""

    def bind(self, fn: Callable[..., Any], key: Key | None = 0) -> Bound:
        """Give ``fn`` as one task of a call of its own."""
        return Bound(self.stamp(self.spec.next_call(), key), fn)

    def reports(self) -> list[StartReport]:
        """Give what the workers told about their start, by number."""
        return start_reports.read_all(os.path.join(start_reports.folder(), self.name))

    def failure(self, pid: int | None = None, patience: float = 1.0) -> WorkerStartError | None:
        """Give why a worker (that of process ``pid``) could not start, if one could not.

        Also where its start killed it: one that has closed its pipes may take a moment to end.
        """
        end = time.monotonic() + patience
        while True:
            waiting = False
            for report in self.reports():
                if report.died is not None and pid in (None, report.died[0]):
                    return _died(report.number, *report.died)
                if pid not in (None, report.pid):
                    continue
                if report.failure is not None:
                    return report.failure
                if report.state == start_reports.STARTING:
                    if not _alive(report.pid):
                        return _died(report.number, report.pid, report.step)
                    waiting = True
            if not waiting or time.monotonic() > end:
                return None
            time.sleep(0.005)

    def step(self, number: int, pid: int) -> str:
        """Give what a worker that has not started was about to do last; empty if it told none.

        One that stands by starts with the same number, and may have told after it.
        """
        report = start_reports.read(os.path.join(start_reports.folder(), self.name), number)
        if report is None or report.state != start_reports.STARTING:
            return ""
        return report.step if report.pid == pid or _alive(report.pid) else ""

    def drain(self, timeout: float = 5.0) -> None:
        """Let the parent's handlers write all that the workers have logged up to now."""
        if self.spec.carried.records or self.spec.carried.stdio:
            from workerstate.records import hub

            hub.shared().drain(timeout)

    def last_record(self, pid: int) -> str | None:
        """Give the last log record that came from a process, in words; None if none has."""
        if not self.spec.carried.records:
            return None
        from workerstate.records import channels, hub

        hub.shared().drain(1.0)
        record = channels.last.get(pid)
        return None if record is None else f"{record.levelname} {record.name}: {record.msg}"

    def close(self) -> None:
        """Close what in-process workers hold."""
        from workerstate import in_process

        in_process.close(self.name)


class Initializer:
    """Starts a worker of one fleet, and then as the pool's own initializer says."""

    def __init__(self, fleet: Fleet, then: Callable[..., object] | None = None, *args: Any) -> None:
        self._fleet = fleet
        self._then = then
        self._args = args
        fleet.birth()  # before a fork: afterwards it would be too late

    def __call__(self) -> None:
        """Start this process, which was forked, as a worker of the fleet."""
        Start(*self._fleet.orders_here(), self._then, self._args)()

    def __reduce__(self) -> Any:
        return Start, (*self._fleet.orders(), self._then, self._args)

    def failure(self, pid: int | None) -> WorkerStartError | None:
        """Give why the process of that id could not start, in the parent."""
        return self._fleet.failure(pid)


def _died(number: int, pid: int, step: str) -> WorkerStartError:
    from workerstate.errors import WorkerStartError

    reason = "the process died at this step"
    return WorkerStartError(number, pid, step, reason, "", None)


def _alive(pid: int) -> bool:
    """Tell whether that process runs; one that has ended and is not yet waited for doesn't."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return os.path.isdir("/proc/self") is False
    except OSError:
        return False
