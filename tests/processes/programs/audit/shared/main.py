"""What forked workers share: a lock that is held, a connection, a file, generators."""

import multiprocessing
import sys

import holdings

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with holdings.lock:
        pool = context.Pool(1)
    print(pool.map(holdings.look, [1]))
    pool.terminate()
    pool.join()
