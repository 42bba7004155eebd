"""The rules of an audit: WS510 and on. What ``run`` finds too has the same code in both."""

from __future__ import annotations

from workerstate.observe.rules import RULES as OF_RUNS
from workerstate.observe.rules.rule import Rule

_HOW = (
    "The names that the task's code can read are followed through its bytecode when it is "
    "submitted. A reference worker, started by the target's own method, imports what a worker "
    "would import; what it has of those names is compared with what the parent has."
)
_FRESH = (
    "fork copies the parent's memory. A worker that starts fresh (spawn, forkserver, loky) imports "
    "the modules again, and has what that import makes: nothing that the parent did since."
)

_RULES = (
    Rule(
        "WS510",
        "global-missing",
        "A task reads a name that its worker would not have.",
        _FRESH + " A name that is set below if __name__ == '__main__', or in a function, is not "
        "there: the task raises NameError or AttributeError.",
        _HOW,
        "Pass it as an argument, or set it in each worker (the pool's initializer=).",
    ),
    Rule(
        "WS511",
        "global-different",
        "A task reads a value that is another one in its worker.",
        _FRESH + " The task computes with the value of the import, without a word.",
        _HOW,
        "Pass the value as an argument, or set it in each worker (the pool's initializer=).",
    ),
    Rule(
        "WS512",
        "registry-incomplete",
        "A registry lacks entries in the worker.",
        _FRESH + " What registers itself when a module is imported is there only if the worker "
        "imports that module.",
        _HOW + " A container of functions or classes is compared key by key.",
        "Import the modules that register where the task's own module does, or in each worker.",
    ),
    Rule(
        "WS513",
        "class-attribute-reset",
        "An attribute that was set on a class is back at its source value in the worker.",
        "An instance is pickled with its own attributes; its class is found by name, and has "
        "there what its source says.",
        _HOW,
        "Set it on the instance, pass it along, or set it in each worker (initializer=).",
    ),
    Rule(
        "WS514",
        "patch-lost",
        "A function or attribute that the parent replaced is the original in the worker.",
        _FRESH + " A mock or a monkeypatch is of one process.",
        _HOW + " A function is compared by its code.",
        "Patch in each worker (the pool's initializer=), or inside the task.",
    ),
    Rule(
        "WS515",
        "identity-lost",
        "An object that is known by its identity arrives as a copy.",
        "A pickle makes a new object: a comparison by 'is' with the module's own one fails.",
        "The arguments of a task are compared, by identity, with the names that its code compares "
        "by 'is'.",
        "Use None or a member of an enumeration, or give its class a __reduce__ that names it.",
    ),
    Rule(
        "WS516",
        "lock-per-worker",
        "A lock, queue or shared value that is made at import is another one in each worker.",
        "Under fork all processes have the one that the parent made. A worker that starts fresh "
        "makes its own at import: the lock protects nothing, what is put into the queue is lost.",
        _HOW,
        "Make it in the parent and hand it on by initargs= or as an argument of the Process.",
    ),
    Rule(
        "WS517",
        "context-variable-lost",
        "A context variable that the parent set is not set in the worker.",
        "A context belongs to a thread; only fork copies that of the thread that forks.",
        _HOW,
        "Pass the value as an argument and set it in the task.",
    ),
    Rule(
        "WS518",
        "setting-not-there",
        "A setting of a library or of the interpreter, which the task's code touches, is lost.",
        _FRESH + " Settings go back to their defaults: log handlers and levels, precision, "
        "floating-point errors, options.",
        "The settings of the parent when the task is submitted are compared with those of a "
        "reference worker, if the code of the task uses the library and does not set them itself.",
        "Make the setting in each worker (the pool's initializer=), or at the import of a module "
        "that the tasks need.",
    ),
    Rule(
        "WS519",
        "module-not-importable",
        "A worker can't import the module that a task's function is in.",
        "A function is pickled as its module and name. A module that was loaded by hand, or made "
        "at run time, is not found: executors call the pool broken, Pool waits for ever.",
        "A reference worker imports the modules of the task's function and arguments.",
        "Put the module on the import path of the workers.",
    ),
    Rule(
        "WS520",
        "main-unguarded",
        "The script starts workers, or fails, when a worker imports it.",
        "spawn and forkserver import the main module again in the worker. What stands outside of "
        "if __name__ == '__main__': runs again.",
        "The line that submits is looked for in the script; a reference worker imports it.",
        "Put what only the parent does below if __name__ == '__main__':.",
    ),
    Rule(
        "WS521",
        "exception-unpicklable",
        "An exception that the task raises can't be made again in the parent.",
        "An exception is pickled as its class and args. One whose __init__ takes other arguments "
        "than it hands on fails in the parent: the pool breaks, or waits for ever.",
        "The __init__ of the program's exceptions that the task's code raises is compared with "
        "what it hands on to Exception.__init__.",
        "Hand all arguments on to super().__init__, or define __reduce__.",
    ),
    Rule(
        "WS522",
        "task-unpicklable",
        "A process can't be sent to a worker that is not forked.",
        "Under fork a Process needs no pickle; under spawn and forkserver its target and "
        "arguments do.",
        "The types of the target and the arguments are looked through: functions without a name, "
        "locks, sockets, open files, generators.",
        "Define functions at the top of a module, and open files and connections in the worker.",
    ),
    Rule(
        "WS523",
        "start-method-branch",
        "The code asks whether the start method is fork.",
        "Code that does something only under fork (or refuses to without it) does something else "
        "where the default is forkserver, since Python 3.14.",
        "get_start_method() in the code of the program that was followed.",
        "Ask for what is needed (pass it to the worker) rather than for the start method.",
    ),
    Rule(
        "WS530",
        "file-shared",
        "A file that is open at the fork has one position for all workers.",
        "fork copies the descriptor, not the position: reads and writes of several processes "
        "interleave. What the parent has written, and is still in the buffer, each worker writes "
        "once more.",
        "What the names that the task reads hold is followed to files that are open at the fork.",
        "Open the file in each worker.",
    ),
    Rule(
        "WS531",
        "runtime-forked",
        "A runtime that does not survive a fork was started before it.",
        "CUDA, an event loop of asyncio and the threads of OpenMP (libgomp) can't be used in a "
        "forked child: it fails, or waits for ever.",
        "It is asked whether torch has initialised CUDA, and whether threads of OpenMP are there "
        "after a fork; event loops are found among the names that the task reads.",
        "Start the workers first, or use spawn.",
    ),
    Rule(
        "WS532",
        "handler-inherited",
        "Forked workers run the parent's handler of the signal that ends them.",
        "fork copies handlers of signals. multiprocessing ends workers by SIGTERM (terminate(), "
        "and the end of with Pool()): each then runs what was meant for the parent's own end.",
        "The handler of SIGTERM is a function of the program's, workers are terminated somewhere, "
        "and neither initializer nor task sets a handler of its own.",
        "Give workers the default: signal.signal(signal.SIGTERM, signal.SIG_DFL) in the pool's "
        "initializer=.",
    ),
    Rule(
        "WS533",
        "process-id-copied",
        "A value that was made of the process's id is the parent's in every worker.",
        "fork copies what the import made: a name, a file or a key that was to be each process's "
        "own is one for all.",
        "A name that the task reads is the parent's process id, or a text with it.",
        "Make it when it is needed, or in each worker (the pool's initializer=).",
    ),
    Rule(
        "WS534",
        "cleaned-up-by-worker",
        "A worker removes a temporary directory or file of the parent's.",
        "The copy that a forked worker has cleans up when it is forgotten, as the original would.",
        "A name that initializer or task sets holds a temporary directory or file at the fork.",
        "Make it after the workers were started, or keep the parent's under another name.",
    ),
    Rule(
        "WS540",
        "shared-by-fork-server",
        "What is made at import exists once, in the fork server, for all workers.",
        "Since Python 3.13.8 and 3.14.1 the fork server imports the main module once, before it "
        "forks the workers (python/cpython#135295): one random generator, socket, temporary "
        "directory or (dead) thread for all.",
        "A reference worker says which modules its fork server had imported; of those, random "
        "generators, sockets, files, temporary directories and threads that the task reads are "
        "reported.",
        "Make it in each worker (the pool's initializer=), not at import.",
    ),
)

RULES: dict[str, Rule] = {**OF_RUNS, **{rule.code: rule for rule in _RULES}}

# What kind of finding has which code.
BY_KIND: dict[str, str] = {
    "missing": "WS510",
    "different": "WS511",
    "registry": "WS512",
    "class": "WS513",
    "patched": "WS514",
    "identity": "WS515",
    "lock": "WS516",
    "variable": "WS517",
    "setting": "WS518",
    "unimportable": "WS519",
    "unguarded": "WS520",
    "exception": "WS521",
    "unsendable": "WS522",
    "branch": "WS523",
    "held": "WS501",
    "connection": "WS502",
    "thread": "WS503",
    "stream": "WS111",
    "file": "WS530",
    "runtime": "WS531",
    "handler": "WS532",
    "pid": "WS533",
    "temporary": "WS534",
    "server": "WS540",
}
