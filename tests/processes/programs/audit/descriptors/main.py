"""Properties and descriptors of classes: replaced, changed, or filled as they are asked."""

import multiprocessing
import sys

import plans


def change(kind):
    if kind == "property":
        plans.Plan.rate = property(lambda self: 30)
    elif kind == "cached":
        plans.Plan.__dict__["total"].func = lambda self: 50
    elif kind == "changed":
        plans.Plan.__dict__["limit"].value = 5
    elif kind == "scaled":
        plans.Plan.__dict__["width"].factor = 3
    elif kind == "replaced":
        plans.Plan.limit = plans.Default(6)
    elif kind == "of class":
        plans.Plan._tier = "gold"
    else:
        plans.Plan.unasked = property(lambda self: 1)


if __name__ == "__main__":
    # Asked in the parent, too: what is kept of that makes no difference.
    print(plans.read(0))
    change(sys.argv[2])
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(plans.read, [1]))
