"""Programs whose workers start fresh anyway, so that their tasks lack what they need."""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import jobs


def set_up():
    global link
    link = jobs.Link("http://here")


def page(number):
    try:
        return link.url(number)
    except NameError:
        return "no link"


def run(pool, kind):
    if kind == "link":
        set_up()
        return list(pool.map(page, [1]))
    if kind == "method":
        return jobs.Farm().run(pool)
    if kind == "idle":
        jobs.connections.set(0)
        return list(pool.map(jobs.fetch, [1, 2]))
    jobs.ROOT, jobs.TAG = 4, "job "
    values = {"ROOT": 4, "TAG": "job "} if kind == "carried" else {}
    return [pool.submit(each).result() for each in jobs.both(values)]


if __name__ == "__main__":
    method, kind = sys.argv[1:]
    context = get_context(method)
    pool = context.Pool(1) if kind == "method" else ProcessPoolExecutor(1, mp_context=context)
    with pool:
        print(run(pool, kind))
