"""The engine: workers that take tasks from a socket each, however they were started.

The parent's side is ``pool``; the worker's is ``serving``; a ``source`` starts workers. The
template (``template``, ``nursery``) is the source that forks them from a prepared process.
"""
