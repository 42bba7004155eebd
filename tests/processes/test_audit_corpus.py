"""Small programs after public reports: what an audit must name in each, and nothing else.

A program takes its start method as its argument and prints what its workers gave. So each
prediction is held against what workers do: a program for which something is found prints
otherwise under the target than under fork, one for which nothing is found prints the same.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from harness import PROGRAMS

if TYPE_CHECKING:
    from harness import Runner


class Program(NamedTuple):
    """A program, and what a worker of ``target`` would not have as meant."""

    folder: str
    named: set[str]
    arguments: tuple[str, ...] = ()
    target: str = "spawn"
    shows: bool = True  # its output shows the fault
    start: str = "fork"  # what the audit runs it with


ALL = [
    Program("options", {"__main__.PREFIXES"}),
    Program("missing", {"__main__.args", "__main__.Row"}),
    Program("copies", {"conf.UNIT"}),
    Program("registry", {"base.FILTERS", "base.Filter.kinds"}),
    Program("singleton", {"config.Config._instance"}),
    Program("initializer", {"convert.UNITS"}),
    Program("argument", {"shapes.UNIT"}),
    Program("nested", {"__main__.RATES"}),
    Program("replaced", {"client.get", "logging.Logger.shout", "builtins._"}),
    Program("classes", {"__main__.CODEC", "__main__.Encoder.preset", "__main__.quality.level"}),
    Program("identity", {"options.MISSING"}),
    Program("stub", {"sys.modules['driver']"}),
    Program("settings", set(), ("count",)),
    Program("settings", {"decimal", "warnings", "__main__.request"}, ("price",)),
    Program("import_time", {"flags.DEBUG", "flags.FOLDER"}),
    Program("innocent", set()),
    Program("innocent", set(), target="forkserver"),
    Program("innocent", set(), target="fork"),
    Program(
        "local",
        {"__main__.main.<locals>.work", "__main__.ApiError", "__main__.width"},
    ),
    Program("hooks", {"events.HANDLERS"}),
    Program("seeds", {"random"}, ("draw",)),
    Program("seeds", {"random"}, ("draw",), target="fork"),
    Program("seeds", set(), ("own",)),
    Program("late", {"catalogue.PRICES", "environ"}, target="fork", shows=False),
    Program(
        "shared",
        {"holdings.lock", "holdings.connection", "holdings.file", "holdings.generator"},
        target="fork",
        shows=False,
    ),
    *(
        Program("forking", named, (kind,), target="fork", shows=False)
        for kind, named in (
            ("pid", {"things.NAME"}),
            ("directory", {"things.space"}),
            ("same directory", set()),
            ("buffer", {"things.report"}),
            ("flushed", set()),
            ("pread", set()),
            ("read", {"things.index"}),
            ("reset", set()),
            ("held", {"things.unsafe", "thread started at __main__ (things.hold)"}),
            ("handler", {"signals"}),
            ("own handler", set()),
        )
    ),
    Program("forking", set(), ("pid",), shows=False),
    Program("inner", {"json.JSONEncoder.default"}, ("dump",)),
    Program("inner", {"textwrap.TextWrapper._split"}, ("fill",)),
    Program("inner", {"textwrap.TextWrapper.__init__"}, ("partial",)),
    Program("adjusted", {"tempfile.tempdir"}, ("place",)),
    Program("adjusted", {"ssl._create_default_https_context"}, ("verified",)),
    Program("adjusted", {"socket.socket"}, ("fetched",)),
    Program("adjusted", {"xml.etree.ElementTree._namespace_map"}, ("tagged",)),
    Program("adjusted", set(), ("tagged_itself",)),
    Program("adjusted", {"mimetypes._db"}, ("typed",)),
    Program("adjusted", {"urllib.request._opener"}, ("fetched_by_opener",)),
    Program("adjusted", set(), ("own",)),
    Program("filled", set()),
    Program("inner", set(), ("load",)),
    Program("inner", set(), ("own",)),
    Program("inner", set(), ("first",)),
    Program("generic", {"shapes.show"}),
    Program("generic", set(), ("own",)),
    Program("narrowed", set(), ("given",)),
    Program("narrowed", {"limits.LIMIT"}, ("asked",)),
    Program("narrowed", set(), ("set",)),
    Program("narrowed", {"limits.CURRENT"}, ("kept",)),
    Program("narrowed", {"limits.LIMIT"}, ("raised",), shows=False),
    Program("narrowed", set(), ("counted",)),
    Program("narrowed", {"limits.SERVED"}, ("numbered",)),
    Program("needed", set(), ("singleton", "as made")),
    Program("needed", {"conf.Settings._Settings__made"}, ("singleton", "changed")),
    Program("needed", set(), ("cache", "as made")),
    Program("needed", {"conf.cached"}, ("cache", "changed")),
    Program("needed", set(), ("table", "as made")),
    Program("needed", {"conf.table"}, ("table", "changed")),
    Program("prepared", {"device.Settings._made"}, ("setting",)),
    Program("prepared", set(), ("own setting",)),
    Program("prepared", {"device.SCALE"}, ("global",)),
    Program("prepared", set(), ("names",)),
    Program("prepared", set(), ("table",)),
    Program("prepared", set(), ("keys",)),
    Program("prepared", set(), ("afresh",)),
    *(
        Program("descriptors", named, (kind,))
        for kind, named in (
            ("property", {"plans.Plan.rate"}),
            ("cached", {"plans.Plan.total"}),
            ("changed", {"plans.Plan.limit"}),
            ("replaced", {"plans.Plan.limit"}),
            ("scaled", {"plans.Plan.width"}),
            ("of class", {"plans.Plan._tier"}),
            ("unasked", set()),
        )
    ),
    Program("metaclass", {"rows.Table.shown", "rows.Kind.level"}, ("changed",)),
    Program("metaclass", set(), ("as made",)),
    Program("dispatched", {"engine.Engine.handle_negate"}, ("more",)),
    Program("dispatched", set(), ("no more",)),
    Program("started", {"__main__.link"}, ("link",), start="spawn"),
    Program("started", set(), ("method",), start="spawn"),
    Program("started", set(), ("idle",), start="spawn"),
    Program("started", set(), ("carried",), start="spawn"),
    Program("started", {"jobs.ROOT", "jobs.TAG"}, ("left",), start="spawn"),
    Program("plugins", {"base.RUNNERS"}),
    Program("memory", {"__main__.total", "counts.done"}),
    Program("late", {"catalogue.PRICES", "environ"}, start="spawn", shows=False),
    Program("between", {"__main__.epoch"}, ("set",), target="fork"),
    Program("between", {"__main__.epoch"}, ("set by apply",), target="fork"),
    Program("between", set(), ("only counted",), target="fork"),
    Program("sent", {"models.Invoice"}, ("made",)),
    Program("sent", {"models.Invoice"}, ("held",)),
    Program("sent", set(), ("alone",)),
    Program("sent", set(), ("made in each",)),
    Program("sent", set(), ("as another",)),
    Program("options", set(), target="fork"),
    Program("settings", set(), ("price",), target="fork"),
]


def bare(name: str) -> str:
    """Give a name without the key of a facet, which differs between versions of a library."""
    return re.sub(r"^(\w+):.*", r"\1", name)


@pytest.mark.parametrize(
    "program", [pytest.param(p, id=" ".join((p.folder, *p.arguments, p.target))) for p in ALL]
)
def test_names_what_a_worker_would_not_have(program: Program, runner: Runner) -> None:
    """Each name is found, no other is, and workers of the target do what was predicted."""
    script = PROGRAMS / "audit" / program.folder / "main.py"
    options = ("--target", program.target, "--output-format", "json")
    done = runner.cli("audit", *options, script, program.start, *program.arguments)
    found = json.loads(done.stdout)
    assert {bare(finding["name"]) for finding in found} == program.named, done.stderr
    assert done.exit_code == bool(program.named)
    if program.target != "fork" and program.shows:
        forked = runner.plain(script, "fork", *program.arguments)
        fresh = runner.plain(script, program.target, *program.arguments)
        assert (forked.stdout != fresh.stdout) == bool(program.named)


def test_a_module_of_a_package_is_named_as_it_is(runner: Runner) -> None:
    """A module that is called like a class is none, and a declaration names all of its path."""
    script = PROGRAMS / "audit" / "adjusted" / "main.py"
    done = runner.cli("audit", "--target", "spawn", script, "fork", "tagged")
    said = " ".join((done.stdout.decode() + done.stderr).split())
    assert 'WorkerSpec(carry=["xml.etree.ElementTree:_namespace_map"])' in said
    assert "WS511 global-different: xml.etree.ElementTree._namespace_map" in said
    assert "in the parent and lacks 'http://example.org/shop' in a spawn worker" in said
