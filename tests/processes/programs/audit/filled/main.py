"""Libraries make things when they are first asked: the parent has them, a worker makes its own."""

import mimetypes
import multiprocessing
import re
import sys
import urllib.request


def task(number):
    found = urllib.request.urlopen(f"data:,{number}").read()
    return re.sub(rb"\d", b"n", found), mimetypes.guess_type("page.html")


def prepare():
    mimetypes.init()
    return task(0), re.compile("[a-c]+")


if __name__ == "__main__":
    prepare()
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(task, range(2)))
