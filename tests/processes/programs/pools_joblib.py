"""Calls of joblib that find their pool changed in many ways."""

import os

from joblib import Parallel, delayed
from joblib.externals import loky


def task(action=None):
    """Do what the action says."""
    if action == "raise":
        raise ValueError(action)
    if action == "die":
        os._exit(3)


def call(n_jobs, action=None, **options):
    """Make one call; what its tasks raise is expected."""
    try:
        Parallel(n_jobs=n_jobs, **options)([delayed(task)(action)] * n_jobs)
    except Exception:
        pass


if __name__ == "__main__":
    call(2)
    call(3, "raise")
    call(3, "die")
    call(3, max_nbytes=None)
    loky.get_reusable_executor().shutdown(wait=True)
    call(3, max_nbytes=None)
