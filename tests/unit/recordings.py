"""Recordings made by hand: what the journals of a small program would say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000  # nanoseconds
START = 1_000_000 * MS
MAIN, WORKER, SECOND, SERVER, TRACKER = 100, 101, 102, 103, 104

Events = list[dict[str, Any]]


def at(milliseconds: float) -> int:
    """Give a moment of the recording."""
    return START + int(milliseconds * MS)


def start(pid: int, moment: float, *, ppid: int = MAIN, how: str = "fork", **more: Any) -> Any:
    """Give a journal's first line."""
    return {
        "ev": "start",
        "schema": 1,
        "pid": pid,
        "ppid": ppid,
        "how": how,
        "t": at(moment),
    } | more


def process(pid: int, moment: float, name: str, loop: str | None = "pool", **more: Any) -> Any:
    """Give a worker's line about its bootstrap."""
    event = {"ev": "process", "pid": pid, "name": name, "parent": MAIN, "loop": loop}
    return (
        event
        | {"method": None, "library": "multiprocessing", "target": None, "t": at(moment)}
        | more
    )


def begin(number: int, moment: float, function: str = "app:work", **more: Any) -> Any:
    """Give the line of a task's begin."""
    return {"ev": "begin", "n": number, "fn": function, "t": at(moment)} | more


def end(number: int, moment: float, *, ok: bool = True) -> Any:
    """Give the line of a task's end."""
    return {"ev": "end", "n": number, "ok": ok, "us": 1500, "t": at(moment)}


def snapshot(event: str, number: int, base: list[int] | None, facets: Any, moment: float) -> Any:
    """Give a snapshot: of the parent (``snapshot``) or of a worker (``born``)."""
    return {"ev": event, "n": number, "base": base, "facets": facets, "t": at(moment)}


def launch(name: str, moment: float, *, method: str = "fork", **more: Any) -> Any:
    """Give the parent's line about a worker that it starts."""
    event = {"ev": "launch", "name": name, "method": method, "library": "multiprocessing"}
    return event | {"snapshot": 0, "pool": 1, "unobserved": None, "t": at(moment)} | more


def call(number: int, first: int, moment: float, **more: Any) -> Any:
    """Give the parent's line about a call."""
    event = {"ev": "call", "n": number, "pool": 1, "first": first, "api": "map", "n_jobs": 2}
    return (
        event | {"path": "app.py", "line": 7, "library": "multiprocessing", "t": at(moment)} | more
    )


def childexit(pid: int, code: int, moment: float) -> Any:
    """Give the parent's line about a child's exit status."""
    return {"ev": "childexit", "pid": pid, "code": code, "t": at(moment)}


def leave(code: int, moment: float) -> Any:
    """Give a process's own line about its exit."""
    return {"ev": "exit", "code": code, "t": at(moment)}


PARENT_STATE = {
    "logging": {"root.handlers": "StreamHandler", "root.level": "INFO"},
    "cwd": {"directory": "str of 4 #1", "umask": "0022"},
}


def program() -> dict[int, Events]:
    """Give the journals of a program with a forked and a spawned worker and two helpers."""
    return {
        MAIN: [
            start(MAIN, 0, ppid=1, how="exec", python="3.11.7", script_of=None),
            {"ev": "imports", "list": [["app", 0, 900], ["json", 1, 200]]},
            snapshot("snapshot", 1, None, PARENT_STATE, 10),
            launch("Fork-1", 10),
            snapshot("snapshot", 2, [MAIN, 1], {"cwd": {"umask": "0077"}}, 12),
            launch("Spawn-2", 13, method="spawn", snapshot=2),
            call(1, 0, 14),
            call(2, 2, 30),
            childexit(WORKER, 0, 60),
            childexit(SECOND, -9, 61),
            leave(3, 70),
        ],
        WORKER: [
            start(WORKER, 11, purpose="worker"),
            process(WORKER, 12, "Fork-1"),
            snapshot("born", 1, [MAIN, 1], {}, 13),
            begin(1, 15, work=0),
            end(1, 17),
            begin(2, 31, work=2, items=3, bytes=70_000, mark="m", carrier=None),
            end(2, 33, ok=False),
            {
                "ev": "changes",
                "n": 2,
                "since": 1,
                "t": at(34),
                "list": [["logging", "root.handlers", "StreamHandler", "StreamHandler, X"]],
            },
            leave(0, 59),
        ],
        SECOND: [
            start(SECOND, 20, how="spawn", python="3.11.7"),
            {"ev": "imports", "list": [["app", 0, 800]]},
            process(SECOND, 25, "Spawn-2"),
            snapshot("born", 1, None, {"logging": {"root.level": "WARNING"}, "cwd": {}}, 28),
            {"ev": "imports", "list": [["late", 0, 100]]},
            begin(1, 35, "app:die", work=3),
        ],
        SERVER: [start(SERVER, 5, how="forkserver", python="3.11.7")],
        TRACKER: [start(TRACKER, 4, how="tracker", python="3.11.7")],
    }


NOTE = {
    "schema": 1,
    "command": ["app.py", "x"],
    "python": "/usr/bin/python3",
    "started": START,
    "ended": at(80),
    "cpus": 2,
    "simulated_cpus": None,
    "pid": MAIN,
    "exit": 3,
}


def write(folder: Path, journals: dict[int, Events], note: Any = NOTE) -> Path:
    """Write a recording; a journal's name begins with the process's id."""
    if note is not None:
        (folder / "run.json").write_text(json.dumps(note))
    for pid, events in journals.items():
        text = "".join(json.dumps(event) + "\n" for event in events)
        (folder / f"{pid}-{pid:x}.jsonl").write_text(text)
    return folder
