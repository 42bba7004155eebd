"""A pool of workers, whatever starts them: what is submitted is run, and no death stops it."""

from __future__ import annotations

import itertools
import os
import time
from threading import RLock

from workerstate.engine import leavings, recalling
from workerstate.engine.arena import Arena
from workerstate.engine.board import Board
from workerstate.engine.deadlines import Deadlines
from workerstate.engine.dispatch import Dispatcher
from workerstate.engine.futures import TaskFuture
from workerstate.engine.hearing import Hearing
from workerstate.engine.mapping import Job
from workerstate.engine.places import Places
from workerstate.engine.receiver import IDLE, Over, Receiver
from workerstate.engine.tasks import NONE, Task
from workerstate.pickling_errors import TaskPicklingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from typing import Any

    from workerstate.engine.source import Source
    from workerstate.engine.tasks import Limits


class Pool:
    """Runs tasks in workers.

    Args:
        source: what starts them.
        workers: how many run at a time.
        by_call: whether the tasks of each call have workers of their own.
        start_timeout: seconds that a start may take, or None.
        last_record: gives the last log record that came from a process id, or None.
    """

    def __init__(
        self,
        source: Source,
        workers: int,
        *,
        by_call: bool = False,
        start_timeout: float | None = None,
        last_record: Callable[[int], str | None] = lambda pid: None,
    ) -> None:
        self.source = source
        self.pid = os.getpid()
        self.arena = Arena()
        self.board = Board(workers)
        self.deadlines = Deadlines(self)
        self.places = Places(self, workers, start_timeout)
        self.tasks = Dispatcher(
            self.arena,
            workers,
            self.places.renew,
            self.deadlines.watch,
            by_call=by_call,
            shared=source.shared,
            early=source.early,
        )
        self.lock = self.tasks.lock
        self.hearing = Hearing(self)
        self.receiver = Receiver("workerstate-pool", self._turn, self.break_with)
        self.broken: BaseException | None = None
        self._futures = RLock()
        self.last_record = last_record
        self._calls = itertools.count()
        self._opened = self._closing = self._at_once = self._ended = False
        self._quiet = time.monotonic()

    def submit(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        mark: Any = None,
        limits: Limits = NONE,
        call: int | None = None,
        name: str | None = None,
    ) -> Future[Any]:
        """Run one task.

        Args:
            fn: what to call.
            args: its positional arguments.
            kwargs: its arguments by name.
            mark: the per-task part of a spec, or None.
            limits: what it may take.
            call: the number of the call that it belongs to, if not one of its own.
            name: what errors call it, if not by its function.

        Raises:
            RuntimeError: the pool takes no more tasks.
        """
        if not self._opened or self._closing or os.getpid() != self.pid:
            self.open()
        future = TaskFuture(self._futures)
        try:
            data = self.tasks.encode((fn, args, kwargs or {}, mark), name or fn)
        except TaskPicklingError as error:
            future.set_exception(error)
            return future
        if call is None:
            call = next(self._calls) if mark is None else mark[3]
        task = Task(data, name or fn, call, limits, future=future)
        with self.lock:
            try:
                self._check_open()
            except BaseException:
                self.tasks.release(task)
                raise
            self.tasks.add(task)
        return future

    def map(
        self,
        fn: Callable[..., Any],
        items: list[Any],
        *,
        spread: bool,
        mark: Any = None,
        limits: Limits = NONE,
        size: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """Run a task per item; give the results in order. See ``mapping.Job``.

        Raises:
            RuntimeError: the pool takes no more tasks.
        """
        self.open()
        call = next(self._calls) if mark is None else mark[3]
        alone = self.source.single or limits.timeout is not None
        job = Job(fn, items, spread, mark, call, limits, 1 if alone else size)
        if items:
            with self.lock:
                self._check_open()
                self.tasks.add(job)
        return job.results(timeout)

    def open(self) -> None:
        """Start workers, unless that has been done.

        Raises:
            RuntimeError: the pool takes no more tasks.
        """
        if os.getpid() != self.pid:  # its lock may have been held when this process was forked
            raise RuntimeError("this executor belongs to the process that this one was forked from")
        if self._opened and not self._closing:
            return
        with self.lock:
            self._check_open()
            if not self._opened:
                self._open()

    def _open(self) -> None:
        try:
            self.places.starts.watch()
            self.source.open(self)
            self.receiver.start()
        except BaseException:  # what is carried can't be read, say; the next task may try again
            self.source.stop(at_once=True)
            self.places.empty()
            raise
        self._opened = True

    def _check_open(self) -> None:
        if self.broken is not None and not self._ended:
            raise self.broken
        if self._closing:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def shutdown(self, *, wait: bool = True, cancel: bool = False, at_once: bool = False) -> None:
        """Take no more tasks, and end the workers when they have finished.

        Args:
            wait: return when all that is over.
            cancel: cancel what has not begun.
            at_once: kill what has begun as well.
        """
        if os.getpid() != self.pid:
            return
        with self.lock:
            self._closing = True
            self._at_once = self._at_once or at_once
            dropped = self._take_pending() if cancel or at_once else []
            if not self._opened:
                self._opened = True
                self.receiver.start()
        for task in dropped:
            task.cancel()
        self.receiver.wake()
        if wait:
            self.receiver.join()

    def forget(self) -> None:
        """Do what ``shutdown`` does where the executor is garbage: run what was submitted, and end.

        Without a lock: a finalizer runs in any thread, at any time, also where that holds one.
        """
        if os.getpid() != self.pid:
            return
        self._closing = True
        if self._opened:
            self.receiver.wake()
        else:  # no thread has it, and none can have any more
            self._opened = True
            self._end()
            self.receiver.close()

    def _take_pending(self) -> list[Task | Job]:
        pending = list(self.tasks.pending)
        self.tasks.pending.clear()
        for each in pending:
            if isinstance(each, Task):
                self.tasks.release(each)
        return pending

    def break_with(self, error: BaseException) -> None:
        """Give up: fail all tasks with ``error``, and take none any more."""
        with self.lock:
            if self.broken is not None:
                return
            self.broken = error
            self._closing = self._at_once = True
            failed = self._take_pending()
            for worker in self.places.workers():
                failed += leavings.unwind(self.tasks, worker)
            for each in failed:
                if isinstance(each, Task):
                    self.tasks.release(each)
        for each in failed:
            each.fail(error)

    @property
    def wants_workers(self) -> bool:
        """Whether there may be tasks for one more."""
        return not self._closing or bool(self.tasks.pending)

    def run_again(self, task: Task) -> bool:
        """Put back a task that its worker has died of, if it may be run again. Under the lock."""
        if self._at_once:
            return False
        if task.size > 1:
            self.tasks.put_back(leavings.divide(self.tasks, task))
            return True
        if task.retries <= 0:
            return False
        task.retries -= 1
        task.late = False
        self.tasks.put_back([task])
        return True

    def _turn(self) -> float | None:
        """Do what is due between two rounds of the receiver; give how long it may wait."""
        with self.lock:
            if not self._over():
                if recalling.worthwhile(self.tasks):
                    recalling.recall(self.tasks)
                    return recalling.AFTER
                return self._cool()
        try:
            self._end()
        except Exception as error:  # to try it once more would not help
            raise Over from error
        raise Over

    def _over(self) -> bool:
        if not self._closing:
            return False
        return self._at_once or not (self.tasks.pending or self.tasks.busy)

    def _cool(self) -> float | None:
        """Give back memory that has lain idle for a while."""
        now = time.monotonic()
        if self.tasks.busy or not self.tasks.windows.warm:
            self._quiet = now
            return IDLE if self.tasks.windows.warm else None
        if now - self._quiet >= IDLE:
            self.tasks.windows.cool()
            return None
        return IDLE

    def _end(self) -> None:
        self._ended, at_once = self.broken is None, self._at_once
        self.break_with(RuntimeError("the executor was shut down before the task had ended"))
        for worker in self.places.workers():
            self.places.close(worker)
        self.source.stop(at_once=at_once)
        self.arena.close()
        self.board.close()
