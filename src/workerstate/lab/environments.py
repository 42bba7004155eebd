"""The interpreter that a replay runs with: this one, or one made for a version of joblib."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workerstate.errors import UsageError
from workerstate.values import Value

# Making a virtual environment and installing joblib takes some ten seconds.
LIMIT_S = 300.0
_VERSION = re.compile(r"\d+(\.\d+)*([a-z]+\d+)?(\.(dev|post)\d+)?")

_ASK = """
import json, os, platform, sys
system = f"{platform.system()} {platform.machine()}"
found = {"python": platform.python_version(), "platform": system, "cpus": os.cpu_count(),
         "joblib": None, "loky": None, "trouble": None}
try:
    import joblib
    from joblib.externals import loky
    found.update(joblib=joblib.__version__, loky=loky.__version__)
except Exception as error:
    found.update(trouble=f"{type(error).__name__}: {error}")
print(json.dumps(found))
"""


class Environment(Value):
    """An interpreter and the versions of what a replay looks at.

    ``trouble`` says why joblib can't be imported; its versions are None then.
    """

    executable: str
    python: str
    platform: str
    cpus: int | None
    joblib: str | None
    loky: str | None
    trouble: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as plain data."""
        return {name: getattr(self, name) for name in self._fields}


def current() -> Environment:
    """Give the environment of this interpreter."""
    return ask(sys.executable)


def ask(executable: str) -> Environment:
    """Ask an interpreter what it is and has.

    Raises:
        UsageError: it can't be started.
    """
    done = _run([executable, "-c", _ASK], env=os.environ)
    if done.returncode:
        raise UsageError(f"{executable} can't be used: {_last_line(done)}")
    return Environment(executable, **json.loads(done.stdout.splitlines()[-1]))


def with_joblib(version: str, *, cache: Path | None = None) -> Environment:
    """Give an environment with that version of joblib, making it if there is none yet.

    It is kept below the user's cache directory for the next time, one for each version of joblib
    and interpreter. Nothing else is changed.

    Args:
        version: such as ``"1.3.2"``.
        cache: where environments are kept, in place of the user's cache directory.

    Raises:
        UsageError: it can't be made; the text says why, such as a version that does not exist.
    """
    if not _VERSION.fullmatch(version):
        raise UsageError(f"--joblib {version!r} is not a version; give one such as 1.3.2")
    root = cache or cache_directory()
    place = root / f"joblib-{version}-{_interpreter_mark()}"
    if not _python(place).exists():
        _make(place, version)
    environment = ask(str(_python(place)))
    if environment.joblib is None:
        raise UsageError(
            f"joblib {version} does not work with Python {environment.python}: "
            f"{environment.trouble}"
        )
    if _numbers(environment.joblib) != _numbers(version):
        raise UsageError(
            f"{place} gives joblib {environment.joblib}, not {version}; "
            "is PYTHONPATH set? Else delete that folder and try again"
        )
    return environment


def _numbers(version: str) -> str:
    """Give a version without the zeros at its end: 1.3 is 1.3.0."""
    return re.sub(r"(\.0)+$", "", version)


def cache_directory() -> Path:
    """Give the folder that holds the environments; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "workerstate" / "environments"


def _interpreter_mark() -> str:
    """Give a short name for this interpreter: an environment serves no other."""
    origin = hashlib.sha256(os.path.realpath(sys.executable).encode()).hexdigest()[:8]
    return f"{sys.implementation.cache_tag}-{origin}"


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(place: Path, version: str) -> None:
    """Make the environment beside its place and move it there, so that none is ever half made."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    except OSError as error:
        raise UsageError(f"can't make {place}: {error.strerror}") from error
    try:
        _fill(work, version)
        if place.exists() and not _python(place).exists():
            # Its interpreter is gone (upgraded, uninstalled): nobody can use it any more.
            shutil.rmtree(place, ignore_errors=True)
        try:
            work.rename(place)
        except OSError as error:
            # Another replay was faster: its environment is as good.
            if not _python(place).exists():
                raise UsageError(f"can't make {place}: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill(work: Path, version: str) -> None:
    done = _run([sys.executable, "-m", "venv", str(work)])
    if done.returncode:
        raise UsageError(f"can't make a virtual environment: {_last_line(done)}")
    done = _run(
        [str(_python(work)), "-m", "pip", "install", "--disable-pip-version-check",
         "--no-input", f"joblib=={version}"]
    )  # fmt: skip
    if done.returncode:
        raise UsageError(_install_failure(version, done))


def _install_failure(version: str, done: subprocess.CompletedProcess[str]) -> str:
    """Say in one sentence why pip failed; it tells a missing version from a missing network."""
    text = done.stderr + done.stdout
    if re.search(r"\(from versions: (?!none)", text):
        return f"there is no joblib {version} for this Python; see: pip index versions joblib"
    if re.search(
        r"Temporary failure|NewConnection|ConnectTimeout|ProxyError|from versions: none", text
    ):
        return (
            f"joblib {version} can't be downloaded: the package index can't be reached. "
            "Without --joblib the replay uses the joblib that is installed"
        )
    return f"pip could not install joblib {version}: {_last_line(done)}"


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [f"exit code {done.returncode}"])[-1]


def _run(
    command: list[str], *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it says; by default what it imports is its own."""
    if env is None:
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {LIMIT_S:.0f} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error.strerror))
