"""The pool is made first; what is set afterwards reaches not even forked workers."""

import multiprocessing
import os
import sys

import catalogue

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(1) as pool:
        pool.map(abs, [1])
        catalogue.PRICES.update(a=1)
        os.environ["CURRENCY"] = "EUR"
        print(pool.map(catalogue.price, ["a"]))
