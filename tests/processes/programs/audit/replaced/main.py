"""Functions are replaced: in a module, in a class of the library, in builtins."""

import builtins
import logging
import multiprocessing
import sys

import client


def shout(self, message):
    return message.upper()


if __name__ == "__main__":
    client.get = lambda url: "fake"
    client.close = lambda: None
    logging.Logger.shout = shout
    logging.Logger.whisper = shout
    builtins._ = str.upper
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(client.check, ["get", "shout", "translate"]))
