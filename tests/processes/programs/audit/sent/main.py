"""Instances are sent of classes that are made from a schema, and put into a module."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import models


def total(row):
    return row["row"].total if type(row) is dict else row.total


if __name__ == "__main__":
    method, kind = sys.argv[1:]
    models.build()
    row = {
        "alone": models.Base,
        "held": models.Invoice,
        "made": models.Invoice,
        "made in each": models.Invoice,
        "as another": models.Invoice,
    }[kind](total=5)
    if kind == "as another":
        row = models.Stand(row)
    initializer = models.build if kind == "made in each" else None
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context, initializer=initializer) as pool:
        try:
            print(pool.submit(total, {"row": row} if kind == "held" else row).result())
        except Exception as error:
            print(type(error).__name__)
