"""The door: Python imports this at start-up because `workerstate run` put its folder on PYTHONPATH.

It starts the hook, leaves nothing of its own on ``sys.path``, and runs the ``sitecustomize`` that
it hides. No internal fault may reach the program.
"""

import os
import sys


def _start_hook(here: str) -> None:
    import _frozen_importlib as importlib_core
    import _frozen_importlib_external as importlib_files

    name = "workerstate.observe.hook"
    path = os.path.join(os.path.dirname(here), "hook.py")
    spec = importlib_files.spec_from_file_location(name, path)
    hook = importlib_core.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[name] = hook
    spec.loader.exec_module(hook)  # type: ignore[union-attr]
    hook.start()


def _run_hidden_sitecustomize() -> None:
    """Import the user's own sitecustomize, which stands later on the path, if there is one."""
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours


_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if entry != _here]
sys.path_importer_cache.pop(_here, None)
if "WORKERSTATE_RUN" in os.environ:
    try:
        _start_hook(_here)
    except Exception:  # the program comes first
        sys.modules.pop("workerstate.observe.hook", None)
_run_hidden_sitecustomize()
