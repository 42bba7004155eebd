"""Run joblib or loky calls one after another, and tell of each what was read and what happened.

Arguments: ``joblib`` or ``loky``, the number of processors to simulate, the steps as JSON. Prints
one line of JSON per call of ``get_reusable_executor``. See ``test_pool_rule_on_joblib.py``.
"""

import importlib.util
import json
import os
import sys
import time

LIBRARY, CPUS = sys.argv[1], int(sys.argv[2])
os.cpu_count = lambda: CPUS
os.sched_getaffinity = lambda pid: set(range(CPUS))

if LIBRARY == "joblib":
    import joblib
    import joblib.executor
    from joblib.externals import loky
else:
    import loky


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
    return facts.read_facts(executor, root=loky.__name__, arguments=arguments, reuse=reuse)


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
    try:
        (call_joblib if LIBRARY == "joblib" else call_loky)(step, options)
    except Exception as error:
        log[-1]["error"] = type(error).__name__
    log[-1]["pids_after"] = sorted(state["executor"]._processes)


def call_joblib(step, options):
    work = [joblib.delayed(task)(step.get("action"))] * step["n_jobs"]
    with joblib.parallel_config("loky", **step.get("config", {})):
        joblib.Parallel(n_jobs=step["n_jobs"], **options)(work)


def call_loky(step, options):
    executor = loky.get_reusable_executor(max_workers=step["n_jobs"], **options)
    for future in [executor.submit(task, step.get("action")) for _ in range(step["n_jobs"])]:
        future.result()


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
    for step in json.loads(sys.argv[3]):
        run(step)
    for line in log:
        print(json.dumps(line))
    print(json.dumps({"loky": loky.__version__}))
