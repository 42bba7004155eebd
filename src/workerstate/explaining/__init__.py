"""What a task ships to a worker, what it makes the worker import, and what can't be shipped.

Nothing here runs the task. The backend's own pickler is watched while it pickles for nobody
(``tracing``), and a fresh interpreter imports what a worker would (``imports``, ``fresh``).
"""
