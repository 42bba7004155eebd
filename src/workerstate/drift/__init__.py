"""How far tasks have moved their worker from its start state, and what is done about it.

A worker whose spec has a drift policy takes a baseline before its first task, and compares after
each one. What a task left behind is told to the parent, refused, put back, or ends the worker.

    policy    what is done about which facet, as a spec gives it
    change    one change that a task left behind, and its sentence
    looks     the cheap look that follows every task
    holding   live objects of the baseline (handlers, hooks), and how they are put back
    natural   what moves in the nature of things, and is no drift
    watch     the baseline, and the comparison after a task
    retiring  how a worker ends after its task, for each pool that replaces one that does
    reports   the file through which the parent hears of it
"""
