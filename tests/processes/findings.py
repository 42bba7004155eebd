"""For each rule a program that it is made for, and near twins without the fault."""

from __future__ import annotations

import sys
import textwrap
from typing import NamedTuple

# The fork server imports the main module since these versions (python/cpython#135295).
IMPORTS_MAIN = sys.version_info >= (3, 14, 1) or (3, 13, 8) <= sys.version_info < (3, 14)


class Case(NamedTuple):
    """A program and the codes that it must bring, no others."""

    name: str
    codes: set[str]
    source: str
    only_if: bool = True
    library: str | None = None
    word: str = ""  # what a finding's sentence must name
    line: str = ""  # the text of the line that a finding must point to
    fault: str = ""  # why it does not hold yet
    options: tuple[str, ...] = ()  # that it is run with


def pool(
    method: str = "spawn",
    *,
    top: str = "",
    task: str = "return number",
    main: str = "pass",
    setup: str | None = None,
    tasks: int = 4,
    run: str | None = None,
) -> str:
    """Give a program with a Pool of one worker, or with what ``run`` does instead of a Pool."""
    initializer = "" if setup is None else ", setup"
    run = run or (
        f"with context.Pool(1{initializer}) as pool:\n"
        f"    pool.map(task, range({tasks}), chunksize=1)\n"
        "    pool.close()\n"
        "    pool.join()\n"
    )
    return (
        "import decimal, logging, multiprocessing, os, socket, sys, tempfile, threading\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        f"{textwrap.dedent(top)}\n"
        f"def setup():\n{_indented(setup or 'pass')}\n"
        f"def task(number):\n{_indented(task)}\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        f"{_indented(main)}\n{_indented(run)}\n"
    )


def _indented(text: str) -> str:
    return textwrap.indent(textwrap.dedent(text), "    ")


PROCESSES = """
processes = [context.Process(target=task, args=(number,)) for number in range(2)]
for process in processes: process.start()
for process in processes: process.join()
"""

CONFIGURE = "logging.basicConfig(level=logging.INFO, stream=sys.stdout)"
OWN_HANDLER = "logging.getLogger('app').addHandler(logging.StreamHandler(sys.stdout))"
LOG = "logging.getLogger('app').info('task %s', number)"
HANDLERS = [
    Case("logging set up in main", {"WS101"}, pool(main=CONFIGURE, task=LOG), word="StreamHandler"),
    Case(
        "a logger of the module",
        {"WS101"},
        pool("forkserver", top="log = logging.getLogger('app')", main=CONFIGURE,
             task="log.warning('task')"),
    ),
    Case("set up in the initializer", set(), pool(main=CONFIGURE, task=LOG, setup=CONFIGURE)),
    Case("set up at import", set(), pool(top=CONFIGURE, task=LOG)),
    Case("forked", set(), pool("fork", main=CONFIGURE, task=LOG)),
    Case("tasks that do not log", set(), pool(main=CONFIGURE)),
    Case("no handler in the parent either", set(), pool(task=LOG)),
    Case("handlers of a logger above", {"WS101"},
         pool(main=OWN_HANDLER, task="logging.getLogger('app.part').warning('task')"),
         word="logger app"),
    Case("a handler that does nothing", set(),
         pool(main="logging.getLogger('app').addHandler(logging.NullHandler())", task=LOG)),
    Case("handlers of a logger that tasks do not use", set(),
         pool(main=OWN_HANDLER, task="logging.getLogger('apple').debug('task')")),
]  # fmt: skip

AGAIN = "logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))"
DOUBLED = [
    Case("set up again in forked workers", {"WS104"},
         pool("fork", main=AGAIN, setup=AGAIN, task=LOG), word="StreamHandler to stdout"),
    Case("set up again in fresh workers", set(), pool(main=AGAIN, setup=AGAIN, task=LOG)),
    Case("another handler in forked workers", set(),
         pool("fork", main=AGAIN, task=LOG,
              setup="logging.getLogger().addHandler(logging.FileHandler('worker.log'))")),
    Case("set up again, tasks that do not log", set(), pool("fork", main=AGAIN, setup=AGAIN)),
    Case("set up again with basicConfig", set(),
         pool("fork", main=CONFIGURE, setup=CONFIGURE, task=LOG)),
]  # fmt: skip

PRECISION = "decimal.getcontext().prec = 50"
DIVIDE = "return decimal.Decimal(1) / 3"
SETTINGS = [
    Case("precision set in main", {"WS102"}, pool(main=PRECISION, task=DIVIDE), word="prec is 50"),
    Case("set in the initializer", set(), pool(main=PRECISION, task=DIVIDE, setup=PRECISION)),
    Case("set at import", set(), pool(top=PRECISION, task=DIVIDE)),
    Case("forked", set(), pool("fork", main=PRECISION, task=DIVIDE)),
    Case("tasks without decimals", set(), pool(main=PRECISION)),
    Case("warnings that are errors in main", {"WS102"},
         pool(top="import warnings", main="warnings.simplefilter('error', FutureWarning)",
              task="warnings.warn('old', FutureWarning)"), word="FutureWarning"),
    Case("warnings that main hides", set(),
         pool(top="import warnings", main="warnings.simplefilter('ignore', FutureWarning)",
              task="warnings.warn('old', FutureWarning)")),
    Case("warnings that are errors, tasks that do not warn", set(),
         pool(top="import warnings", main="warnings.simplefilter('error', FutureWarning)")),
    Case(
        "numpy's errors set in main",
        {"WS102"},
        pool(top="import numpy", main="numpy.seterr(all='raise')", task="return numpy.ones(2) / 2"),
        library="numpy",
    ),
    Case(
        "a library that a task brings in",
        {"WS102"},
        "import decimal\n"
        "from loky import ProcessPoolExecutor\n"
        "def task(number): return decimal.Decimal(1) / 3\n"
        "if __name__ == '__main__':\n"
        "    decimal.getcontext().prec = 50\n"
        "    with ProcessPoolExecutor(1) as pool: pool.submit(task, 1).result()\n",
        library="loky",
        word="prec is 50",
    ),
    Case(
        "only how numpy prints",
        set(),
        pool(top="import numpy", main="numpy.set_printoptions(precision=2)",
             task="return numpy.ones(2) / 2"),
        library="numpy",
    ),
]  # fmt: skip

OPTIONS = "class Options:\n    def __init__(self): self.deep = False\noptions = Options()"
VARIABLE = "import contextvars\nrequest = contextvars.ContextVar('request', default='-')"
GLOBALS = [
    Case(
        "a global that is set in main",
        {"WS103"},
        pool(top="limit = 1", main="limit = 7", task="return limit"),
        word="__main__.limit",
        line="    limit = 7",
    ),
    Case(
        "a global that is there in main only",
        {"WS103"},
        pool(main="options = {'deep': True}",
             task="return number in globals() and options"),
        word="is not there",
    ),
    Case(
        "a dictionary filled in main, read by what the task calls",
        {"WS103"},
        pool("forkserver", top="table = {}\ndef look(key): return table.get(key)",
             main="table['a'] = 1", task="return look('a')"),
        word="__main__.table",
    ),
    Case(
        "an attribute of a class",
        {"WS103"},
        pool(top="class Config:\n    rate = 1\n    def value(self): return self.rate",
             main="Config.rate = 2", task="return Config().value()"),
        word="__main__.Config.rate",
    ),
    Case(
        "a function replaced in main",
        {"WS103"},
        pool(top="def fetch(): return 1", main="fetch = lambda: 2", task="return fetch()"),
        word="__main__.fetch",
    ),
    Case("an attribute of an object made at import", {"WS103"},
         pool(top=OPTIONS, main="options.deep = True", task="return options.deep"),
         word="__main__.options"),
    Case("an object made at import that stays as it was", set(),
         pool(top=OPTIONS, main="options.deep", task="return options.deep")),
    Case("an object that keeps a lock", set(),
         pool(top=OPTIONS + "\noptions.lock = threading.Lock()",
              main="options.lock = threading.Lock()", task="return options.deep")),
    Case("a registry", {"WS103"},
         pool(top="import collections\nmodels = collections.OrderedDict()",
              main="models['a'] = 1", task="return models.get('a')"), word="__main__.models"),
    Case("a context variable", {"WS103"},
         pool(top=VARIABLE, main="request.set('7')", task="return request.get()"),
         word="__main__.request"),
    Case("a context variable that tasks set", set(),
         pool(top=VARIABLE, main="request.set('7')",
              task="request.set('8')\nreturn request.get()")),
    Case("forked", set(), pool("fork", top="limit = 1", main="limit = 7", task="return limit")),
    Case(
        "set in the initializer too",
        set(),
        pool(top="limit = 1", main="limit = 7", setup="global limit; limit = 7",
             task="return limit"),
    ),
    Case(
        "an attribute of that name of another class",
        set(),
        pool(top="class Config:\n    rate = 1\nclass Other:\n    rate = 5",
             main="Config.rate = 2", task="return Other().rate"),
        fault="an attribute is known by its name alone, not by whose it is",
    ),
    Case("the value of the import", set(), pool(top="limit = 7", main="limit = 7",
                                                task="return limit")),
    Case("not read by tasks", set(), pool(top="limit = 1", main="limit = 7")),
    Case("a local of that name", set(), pool(top="limit = 1", main="limit = 7",
                                             task="limit = number; return limit")),
    Case(
        "objects that every process has its own of",
        set(),
        pool(top="lock = threading.Lock()\nevent = threading.Event()\nlog = logging.getLogger('a')",
             task="with lock: log.debug('x'); return event.is_set()"),
    ),
    Case(
        "a cache that the parent has filled",
        set(),
        pool(top="import functools\n@functools.lru_cache\ndef known(key): return key",
             main="known(1)", task="return known(number)"),
    ),
]  # fmt: skip

FIRST = "process = context.Process(target=print); process.start(); process.join()\n"
FROZEN = [
    Case(
        "a variable set after the first process",
        {"WS110"},
        pool("forkserver", main=FIRST + "os.environ['LATE'] = 'x'"),
        word="LATE",
    ),
    Case(
        "a variable changed and a umask",
        {"WS110"},
        pool("forkserver", main="os.environ['LATE'] = 'x'\n" + FIRST
             + "os.environ['LATE'] = 'y'; os.umask(0o77)"),
        word="umask",
    ),
    Case("set before", set(), pool("forkserver", main="os.environ['LATE'] = 'x'\n" + FIRST)),
    Case("spawned", set(), pool(main=FIRST + "os.environ['LATE'] = 'x'")),
    Case(
        "set in the initializer too",
        set(),
        pool("forkserver", main=FIRST + "os.environ['LATE'] = 'x'",
             setup="os.environ['LATE'] = 'x'"),
    ),
]  # fmt: skip

NUMPY = "import numpy"
STREAMS = [
    Case(
        "numpy's global generator, used before the fork",
        {"WS111"},
        pool("fork", top=NUMPY, main="numpy.random.rand()", task="return numpy.random.rand()",
             run=PROCESSES),
        library="numpy",
        word="numpy.random",
    ),
    Case(
        "a generator of the module",
        {"WS111"},
        pool("fork", top="import numpy\nrng = numpy.random.default_rng()",
             task="return rng.integers(9, size=3)", run=PROCESSES),
        library="numpy",
        word="__main__.rng",
        line="rng = numpy.random.default_rng()",
    ),
    Case(
        "a generator of the fork server's",
        {"WS111"},
        pool("forkserver", top="import random\nrng = random.Random(3)", task="return rng.random()",
             run=PROCESSES),
        only_if=IMPORTS_MAIN,
        word="__main__.rng",
    ),
    Case(
        "seeded by each task",
        set(),
        pool("fork", top=NUMPY, main="numpy.random.rand()", run=PROCESSES,
             task="numpy.random.seed(number); return numpy.random.rand()"),
        library="numpy",
    ),
    Case(
        "a generator of each task's own",
        set(),
        pool("fork", top=NUMPY, main="numpy.random.rand()", run=PROCESSES,
             task="return numpy.random.default_rng([1, number]).random()"),
        library="numpy",
    ),
    Case(
        "not drawn from in tasks",
        set(),
        pool("fork", top=NUMPY, main="numpy.random.rand()", run=PROCESSES),
        library="numpy",
    ),
    Case(
        "Python's own generator",
        set(),
        pool("fork", top="import random", main="random.random()", task="return random.random()",
             run=PROCESSES),
    ),
]  # fmt: skip

SOCKET = "channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
FOLDER = "folder = tempfile.TemporaryDirectory()"
SERVER = [
    Case(
        "a socket of the module",
        {"WS112"},
        pool("forkserver", top=SOCKET, task="return channel.fileno()", run=PROCESSES),
        only_if=IMPORTS_MAIN,
        word="__main__.channel",
        line=SOCKET,
    ),
    Case(
        "a temporary directory of the module",
        {"WS112"},
        pool("forkserver", top=FOLDER, task="return folder.name", run=PROCESSES),
        only_if=IMPORTS_MAIN,
        word="__main__.folder",
    ),
    Case("a socket that tasks do not use", set(), pool("forkserver", top=SOCKET, run=PROCESSES)),
    Case("spawned", set(), pool(top=SOCKET, task="return channel.fileno()", run=PROCESSES)),
    Case(
        "made by the task",
        set(),
        pool("forkserver", task=f"{SOCKET}; channel.close()", run=PROCESSES),
    ),
    Case(
        "a thread of the module",
        {"WS113"},
        pool("forkserver", run=PROCESSES, top=(
            "beat = threading.Thread(target=threading.Event().wait, name='heartbeat', daemon=True)"
            "\nbeat.start()")),
        only_if=IMPORTS_MAIN,
        word="heartbeat",
    ),
    Case(
        "a thread of main",
        set(),
        pool("forkserver", run=PROCESSES, main=(
            "beat = threading.Thread(target=threading.Event().wait, name='heartbeat', daemon=True)"
            "\nbeat.start()")),
    ),
]  # fmt: skip

TERMINATED = """
with context.Pool(1) as pool:
    begun = context.SimpleQueue()
    pool.apply_async(task, (1,))
    reader.poll(30)
"""
EXECUTOR = """
with ProcessPoolExecutor(1, mp_context=context) as pool:
    try: pool.submit(task, 1).result()
    except Exception as error: print(type(error).__name__)
"""
DEATHS = [
    Case(
        "killed in a task",
        {"WS201"},
        pool("fork", task="os.kill(os.getpid(), 9)", run=EXECUTOR),
        word="__main__:task",
    ),
    Case("terminated by its pool in a task", set(), pool(
        "fork", top="reader, writer = multiprocessing.Pipe()",
        task="writer.send(1); threading.Event().wait(60)",
        run="""
        with context.Pool(1) as pool:
            pool.apply_async(task, (1,))
            assert reader.poll(60)
        """,
    )),
    Case("a Process that raises", set(), pool("fork", task="1 / 0", run=PROCESSES)),
    Case("a Process that exits", set(), pool("fork", task="sys.exit(3)", run=PROCESSES)),
    Case("a task that raises", set(), pool("fork", task="1 / 0", run=EXECUTOR)),
]  # fmt: skip

BAD_START = """
with ProcessPoolExecutor(1, mp_context=context, initializer=setup) as pool:
    try: pool.submit(task, 1).result()
    except Exception as error: print(type(error).__name__)
"""
STARTS = [
    Case("an initializer that raises", {"WS202"}, pool(setup="1 / 0", run=BAD_START)),
    Case(
        "an initializer of a Pool that raises once and again",
        {"WS202"},
        pool("fork", top="count = multiprocessing.Value('i')",
             setup="count.value += 1\nif count.value < 7: 1 / 0"),
        word="again and again",
    ),
    Case("an initializer that does not raise", set(), pool(setup="pass", run=BAD_START)),
    Case("workers that get no task", set(), pool("fork", run="""
        with context.Pool(3) as pool:
            pool.apply(task, (1,))
            pool.close()
            pool.join()
        """)),
    Case("a pool that is given up at once", set(), pool(run="context.Pool(2).terminate()")),
    Case("workers that are replaced", set(), pool("fork", run="""
        with context.Pool(1, maxtasksperchild=1) as pool:
            pool.map(task, range(6), chunksize=1)
            pool.close()
            pool.join()
        """)),
]  # fmt: skip

ACCUMULATES = [
    Case(
        "a handler by each task",
        {"WS203"},
        pool("fork", task="logging.getLogger('app').addHandler(logging.NullHandler())"),
        word="app.handlers",
    ),
    Case("a path by each task", {"WS203"},
         pool("fork", task="sys.path.append(f'/nowhere/{number}')"), word="sys_path"),
    Case("a thread by each task", {"WS203"}, pool("fork", task="""
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        """), word="threads"),
    Case("a handler once", set(), pool("fork", task="""
        log = logging.getLogger('app')
        if not log.handlers: log.addHandler(logging.NullHandler())
        """)),
    Case("a handler that is taken away again", set(), pool("fork", task="""
        handler = logging.NullHandler()
        logging.getLogger('app').addHandler(handler)
        logging.getLogger('app').removeHandler(handler)
        """)),
    Case("one handler in each of many workers", set(), pool("fork", task="""
        logging.getLogger('app').addHandler(logging.NullHandler())
        """, run=PROCESSES)),
    Case("a filter that is there already", set(), pool("fork", top="import warnings",
         task="warnings.simplefilter('ignore', UserWarning)")),
    Case("a thread that ends", set(), pool("fork", task="""
        thread = threading.Thread(target=print); thread.start(); thread.join()
        """)),
]  # fmt: skip

MOVES = [
    Case("a directory left", {"WS204"},
         pool("fork", task="os.chdir('/') if number == 1 else None"), word="current directory"),
    Case("a umask left", {"WS204"},
         pool("fork", task="os.umask(0o77) if number == 1 else None"), word="umask"),
    Case("a directory restored", set(), pool("fork", task="""
        before = os.getcwd()
        os.chdir('/')
        os.chdir(before)
        """)),
    Case("a directory left by the last task", set(), pool("fork", tasks=1, task="os.chdir('/')")),
    Case("a directory of the initializer", set(), pool("fork", setup="os.chdir('/')")),
]  # fmt: skip

PURITY = ("--purity",)
SETS = "if number == 1: decimal.getcontext().prec = 7\n" + DIVIDE
HISTORY = [
    Case("a precision that another task has set", {"WS205"}, pool(task=SETS), options=PURITY,
         word="decimal: prec: 28 -> 7"),
    Case("a precision that each task sets", set(), options=PURITY,
         source=pool(task="decimal.getcontext().prec = 7\n" + DIVIDE)),
    Case("a global of the parent's, forked", set(), options=PURITY,
         source=pool("fork", top="limit = 1", main="limit = 7", task="return limit")),
    Case("a cache", set(), options=PURITY,
         source=pool(top="cache = {}", task="return cache.setdefault(number, number)")),
]  # fmt: skip

GROWN = """
from loky import get_reusable_executor
if __name__ == "__main__":
    import os
    for number in (1, 2):
        {change}
        list(get_reusable_executor(max_workers=number).map(abs, range(20)))
        {after}
    get_reusable_executor(max_workers=number).shutdown()
"""
ON_DEMAND = """
gate = context.Barrier(2)
with ProcessPoolExecutor(2, mp_context=context, initializer=wait_at, initargs=(gate,)) as pool:
    pool.submit(task, 1).result()
    {change}
    list(pool.map(meet, range(2)))
"""
WAIT_AT = """
gate = None
def wait_at(barrier):
    global gate
    gate = barrier
def meet(number):
    gate.wait(60)
"""
FLEETS = [
    Case("an executor that grows after a change", {"WS301"},
         pool(top=WAIT_AT, run=ON_DEMAND.format(change="os.environ['LATE'] = 'x'")), word="LATE"),
    Case("an executor that grows", set(), pool(top=WAIT_AT, run=ON_DEMAND.format(change="pass"))),
    Case("a pool shut down after a change", set(),
         GROWN.format(change="os.environ['LATE'] = str(number)",
                      after="get_reusable_executor(max_workers=number).shutdown()"),
         library="loky"),
]  # fmt: skip

BIG = "table = os.urandom(1 << 20) * 2"
HOLDER = "class Holder:\n    def __init__(self): self.table = {}\n    def use(self, number): pass"
PAYLOADS = [
    Case(
        "a bound method of what is large",
        {"WS401"},
        pool("fork", top=HOLDER.format("os.urandom(1 << 20) * 2"),
             run="with context.Pool(1) as pool: pool.map(Holder().use, range(6), chunksize=1)"),
        word="bound method of Holder",
    ),
    Case(
        "a partial with what is large",
        {"WS401"},
        pool("fork", top=f"import functools\n{BIG}\ndef use(table, number): pass",
             run=EXECUTOR.replace("pool.submit(task, 1).result()",
                                  "list(pool.map(functools.partial(use, table), range(6)))")),
        word="partial",
    ),
    Case("a bound method of what is small", set(),
         pool("fork", top=HOLDER.format("b'x'"),
              run="with context.Pool(1) as pool: pool.map(Holder().use, range(6), chunksize=1)")),
    Case("large, but another each time", set(),
         pool("fork", task="return len(number)", run="""
         with context.Pool(1) as pool:
             pool.map(task, (os.urandom(2 << 20) for _ in range(6)), chunksize=1)
         """)),
    Case("large, brought by the initializer", set(),
         pool("fork", top=BIG + "\ndef keep(value): global held; held = value", run="""
         with context.Pool(1, keep, (table,)) as pool:
             pool.map(task, range(6), chunksize=1)
         """)),
    Case("large, but seldom", set(),
         pool("fork", top=BIG, run="""
         with context.Pool(1) as pool:
             pool.map(len, [table] * 3, chunksize=1)
         """)),
]  # fmt: skip

BY_HAND = """
import types
module = types.ModuleType("made_by_hand")
exec("def task(number): return number", module.__dict__)
if __name__ == "__main__": sys.modules["made_by_hand"] = module
"""
UNREADABLE = [
    Case("a function of a module made by hand", {"WS402"},
         pool(top=BY_HAND, run=EXECUTOR.replace("submit(task", "submit(module.task"))),
    Case("a task whose argument can't be pickled", set(),
         pool(run=EXECUTOR.replace("submit(task, 1)", "submit(task, lambda: 1)"))),
    Case("a module made by hand, forked", set(),
         pool("fork", top=BY_HAND, run=EXECUTOR.replace("submit(task", "submit(module.task"))),
]  # fmt: skip

HOLD = """
taken, release = threading.Event(), threading.Event()
def hold():
    with lock:
        taken.set()
        release.wait(60)
threading.Thread(target=hold, name='holder', daemon=True).start()
taken.wait(60)
"""
ASK = """
process = context.Process(target=task, args=(1,))
process.start()
process.join(1)
process.terminate()
process.join()
"""
TAKE = "with lock: return number"
LOCKS = [
    Case("a lock held by a thread", {"WS501"},
         pool("fork", top="lock = threading.Lock()", main=HOLD, task=TAKE, run=ASK),
         word="__main__.lock", line="lock = threading.Lock()"),
    Case("a lock held by main", {"WS501"},
         pool("fork", top="lock = threading.Lock()", main="lock.acquire()", task=TAKE, run=ASK)),
    Case("a lock that nobody holds", set(),
         pool("fork", top="lock = threading.Lock()", task=TAKE, run=ASK)),
    Case("a held lock that tasks do not take", set(),
         pool("fork", top="lock = threading.Lock()", main=HOLD, run=ASK)),
    Case("a held lock, spawned", set(),
         pool(top="lock = threading.Lock()", main="lock.acquire()", task=TAKE, run=ASK)),
]  # fmt: skip

LISTEN = "server = socket.create_server(('127.0.0.1', 0))"
CONNECT = LISTEN + "\nclient = socket.create_connection(server.getsockname())"
CONNECTIONS = [
    Case("a connection of the parent", {"WS502"},
         pool("fork", top="client = None", main=CONNECT, task="return client.getsockname()"),
         word="__main__.client"),
    Case("a connection inside an object", {"WS502"},
         pool("fork", top="class Session: pass\nsession = Session()",
              main=CONNECT + "\nsession.connection = client", task="return session.connection"),
         word="__main__.session"),
    Case("a connection that tasks do not use", set(), pool("fork", main=CONNECT)),
    Case("a connection that is closed", set(),
         pool("fork", top="client = None", main=CONNECT + "\nclient.close()",
              task="return client.fileno()")),
    Case("a listening socket", set(),
         pool("fork", top="server = None", main=LISTEN, task="return server.getsockname()")),
    Case("a connection of the initializer", set(),
         pool("fork", top="client = None", setup="global client\n" + CONNECT,
              task="return client.getsockname()")),
]  # fmt: skip

START = "thread = threading.Thread(target=threading.Event().wait, daemon=True)\nthread.start()"
THREADS = [
    Case("a thread of the parent", {"WS503"},
         pool("fork", top="thread = None", main=START, task="return thread.name"),
         word="__main__.thread"),
    Case("tasks that look whether it runs", set(),
         pool("fork", top="thread = None", main=START, task="return thread.is_alive()")),
    Case("tasks that do not use it", set(), pool("fork", top="thread = None", main=START)),
    Case("a thread that has not started", set(),
         pool("fork", top="thread = None", main=START.partition("\n")[0],
              task="return thread.name")),
    Case("a thread of each worker", set(),
         pool("fork", top="thread = None", main=START, setup="global thread\n" + START,
              task="return thread.name")),
]  # fmt: skip

ALL = {
    "WS101": HANDLERS,
    "WS102": SETTINGS,
    "WS103": GLOBALS,
    "WS104": DOUBLED,
    "WS110": FROZEN,
    "WS111": STREAMS,
    "WS112 WS113": SERVER,
    "WS201": DEATHS,
    "WS202": STARTS,
    "WS203": ACCUMULATES,
    "WS204": MOVES,
    "WS205": HISTORY,
    "WS301": FLEETS,
    "WS401": PAYLOADS,
    "WS402": UNREADABLE,
    "WS501": LOCKS,
    "WS502": CONNECTIONS,
    "WS503": THREADS,
}
