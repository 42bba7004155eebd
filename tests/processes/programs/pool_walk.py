"""Run joblib (or loky) calls one after another, and tell of each what was read and what happened.

Arguments: the number of processors to simulate, then the steps as JSON. Prints one line of JSON
per call of ``get_reusable_executor``. See ``test_pool_rule_on_joblib.py``.
"""

import importlib.util
import json
import os
import sys
import time

CPUS = int(sys.argv[1])
os.cpu_count = lambda: CPUS
os.sched_getaffinity = lambda pid: set(range(CPUS))

import joblib  # noqa: E402
import joblib.executor  # noqa: E402
from joblib.externals import loky  # noqa: E402


def load_facts():
    """Load the reader by path: this program also runs where workerstate is not installed."""
    path = os.environ["EXECUTOR_FACTS"]
    spec = importlib.util.spec_from_file_location("executor_facts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


facts = load_facts()
reusable = loky.reusable_executor
log = []
state = {"executor": None, "arguments": {}, "depth": 0}


def watch():
    """Wrap the one method that every call passes through."""
    owner = reusable._ReusablePoolExecutor
    real = owner.get_reusable_executor.__func__

    def get_reusable_executor(cls, max_workers=None, *args, **call):
        if state["depth"]:
            return real(cls, max_workers, *args, **call)
        before = read(state["executor"], state["arguments"])
        pids = sorted(state["executor"]._processes) if state["executor"] is not None else []
        state["depth"] += 1
        try:
            executor, reused = real(cls, max_workers, *args, **call)
        finally:
            state["depth"] -= 1
        arguments = facts.arguments_of(cls, call)
        state.update(executor=executor, arguments=arguments)
        now = read(executor, arguments, reuse=call.get("reuse", "auto"))
        log.append({"before": before, "now": now, "pids_before": pids, "is_reused": reused})
        return executor, reused

    owner.get_reusable_executor = classmethod(get_reusable_executor)


def read(executor, arguments, reuse="auto"):
    if executor is None:
        return None
    root = "joblib.externals.loky"
    return facts.read_facts(executor, root=root, arguments=arguments, reuse=reuse)


def first_setup():
    pass


def second_setup(*values):
    pass


def task(action):
    if action == "raise":
        raise ZeroDivisionError(action)
    if action == "die":
        os._exit(3)
    return os.getpid()


NAMES = {"first_setup": first_setup, "second_setup": second_setup}


def call(step):
    for name, value in step.get("environ", {}).items():
        os.environ[name] = value
    options = dict(step.get("options", {}))
    if "initializer" in options:
        options["initializer"] = NAMES[options["initializer"]]
    if "initargs" in options:
        options["initargs"] = tuple(options["initargs"])
    work = [joblib.delayed(task)(step.get("action"))] * step["n_jobs"]
    try:
        with joblib.parallel_config("loky", **step.get("config", {})):
            joblib.Parallel(n_jobs=step["n_jobs"], **options)(work)
    except Exception as error:
        log[-1]["error"] = type(error).__name__
    executor = reusable._executor
    log[-1]["pids_after"] = sorted(executor._processes)


def run(step):
    action = step.get("action")
    if action == "shutdown":
        state["executor"].shutdown(wait=True)
    elif action == "wait until idle workers end":
        while state["executor"]._processes:
            time.sleep(0.02)
    else:
        call(step)


if __name__ == "__main__":
    watch()
    for step in json.loads(sys.argv[2]):
        run(step)
    for line in log:
        print(json.dumps(line))
    print(json.dumps({"versions": [joblib.__version__, loky.__version__]}))
