"""Say what a task ships to a worker, and what it makes the worker import.

The task is not run. Its module is imported here, and once more in a fresh interpreter, which
tells what the import costs; of a script, what stands under its __main__ guard is left out. To
explain a task with its arguments, or with globals that the program sets later, call
workerstate.explain(function, *arguments) in the program. Exit code 1: a worker could not get the
task.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading

from workerstate.cli.output import whole_number, write_json
from workerstate.explaining import picklers, targets
from workerstate.explaining.task import explain_for


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``workerstate explain``."""
    parser = subparsers.add_parser(
        "explain",
        help="say what a task ships to a worker and makes it import",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="module:function|script.py:function")
    parser.add_argument(
        "--backend",
        choices=picklers.BACKENDS,
        help="by default multiprocessing, and joblib or loky where one is installed",
    )
    parser.add_argument("--output-format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--timeout",
        type=whole_number(1),
        default=60,
        metavar="S",
        help="give up loading the module after S seconds (60)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Explain the task; 1 if a worker could not get it."""
    task = targets.load(arguments.target, arguments.timeout)
    names = [arguments.backend] if arguments.backend else picklers.usual()
    explanation = explain_for(names, task)
    if arguments.output_format == "json":
        write_json(explanation.as_dict(), "-")
    else:
        print(explanation)
    code = 0 if all(shipping.arrives for shipping in explanation.shippings) else 1
    _leave_what_runs(code)
    return code


def _leave_what_runs(code: int) -> None:
    """End here if the module started threads that would keep this process alive."""
    if any(not thread.daemon for thread in threading.enumerate()[1:]):
        sys.stdout.flush()
        os._exit(code)
