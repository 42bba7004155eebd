"""Preloaded into a fork server, last: tells which modules were there before its workers were."""

import os
import sys

pid = os.getpid()
modules = frozenset(sys.modules)
