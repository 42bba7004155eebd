"""A bare fork and Python children of which some can't be observed; prints pids and exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys

KILL = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"


def forked() -> list[int]:
    """Fork without any library."""
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    os.waitpid(pid, 0)
    return [pid, 7]


def started(*command: str, **options: object) -> list[int]:
    """Start a program and give its pid and status."""
    process = subprocess.Popen([*command], **options)  # type: ignore[call-overload]
    return [process.pid, process.wait()]


def main() -> None:
    """Start one child after the other."""
    python = sys.executable
    print(
        json.dumps(
            {
                "fork": forked(),
                "plain": started(python, "-c", "raise SystemExit(5)"),
                "killed": started(python, "-c", KILL),
                "prepared": started(python, "-c", "", preexec_fn=lambda: os.umask(0o77)),
                "without site": started(python, "-S", "-c", ""),
                "isolated": started(python, "-I", "-c", ""),
                "bare": started(python, "-c", "", env={}),
                "other program": started("/bin/sh", "-c", "exit 4"),
            }
        )
    )


if __name__ == "__main__":
    main()
