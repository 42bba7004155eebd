"""Preloaded into a fork server, last: tells which modules were there before its workers were."""

import os
import sys

pid = os.getpid()
# multiprocessing makes ``__mp_main__`` another name of the server's own main module, until the
# server imports the program's.
_none = set() if sys.modules["__mp_main__"].__name__ == "__mp_main__" else {"__mp_main__"}
modules = frozenset(sys.modules) - _none
