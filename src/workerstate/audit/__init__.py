"""AUDIT: what tasks silently rely on that a worker started by another method would not have.

``driver.audit`` runs a program once under observation. In the program's own processes, ``inside``
follows what each submitted task can read (``reach``) and says what that is in the parent; a worker
started by the target's own method says what it is there (``fresh``); ``judge`` compares the two.
"""
