"""What a module computes at import is computed again in a fresh worker."""

import multiprocessing
import os
import sys

import flags

if __name__ == "__main__":
    os.environ["APP_DEBUG"] = "1"
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        debug, folder, *rest = pool.apply(flags.read)
        print(debug, folder == flags.FOLDER, *rest)
    os.rmdir(flags.FOLDER)
    if folder != flags.FOLDER:
        os.rmdir(folder)
