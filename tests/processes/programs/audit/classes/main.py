"""A process of its own class reads a global, class attributes and an attribute of a function."""

import multiprocessing
import sys

context = multiprocessing.get_context(sys.argv[1])
CODEC = "mpeg"
CONTAINER = "mkv"


def quality():
    return quality.level


quality.level = 1
quality.unit = "percent"


class Encoder(context.Process):
    preset = "slow"
    threads = 2

    def __init__(self, queue):
        super().__init__()
        self.queue = queue

    def run(self):
        self.queue.put((CODEC, CONTAINER, self.preset, self.threads, quality()))


if __name__ == "__main__":
    CODEC = "av1"
    Encoder.preset = "fast"
    quality.level = 9
    queue = context.Queue()
    encoder = Encoder(queue)
    encoder.start()
    print(queue.get())
    encoder.join()
