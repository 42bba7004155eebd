"""Two threads that use loky's reusable pool by turns."""

import threading

import loky


def call(n_jobs, **options):
    """Make one call."""
    list(loky.get_reusable_executor(n_jobs, **options).map(abs, range(n_jobs)))


if __name__ == "__main__":
    call(2, timeout=9)
    thread = threading.Thread(target=call, args=(2,))
    thread.start()
    thread.join()
    call(2, timeout=9)
