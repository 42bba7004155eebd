"""The peers of ``records.py``, and one run with one of them.

A peer sets up the parent's side, tells a worker how to log, and shuts down; all write one
file, by a FileHandler with asctime (concurrent-log-handler and loguru: by their own means).
"""

from __future__ import annotations

import itertools
import json
import logging
import logging.handlers
import multiprocessing
import os
import pickle
import re
import resource
import signal
import socketserver
import struct
import sys
import tempfile
import threading
import time

FORMAT = "%(asctime)s %(processName)s %(name)s %(levelname)s %(message)s"
LINE = re.compile(r"w=(\d+) n=(\d+) ")
SAMPLE = 8  # in mode full every eighth emit is timed


def file_handler(path: str) -> logging.Handler:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


def only(handler: logging.Handler) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def logger_emit():
    logger = logging.getLogger("bench.worker")
    return lambda worker, n: logger.info(
        "w=%d n=%d a message of the usual length, with some arguments: %s", worker, n, "value"
    )


class Peer:
    """Parent: init, stop, and shared, which goes to workers. Worker: emitter, finish."""

    shared: object = None

    def __init__(self, path: str, context) -> None:
        self.path = path

    @staticmethod
    def finish(shared) -> None:
        pass

    def stop(self) -> None:
        pass


class Workerstate(Peer):
    def __init__(self, path, context):
        from workerstate.records import hub

        only(file_handler(path))
        self.hub = hub.shared()
        self.shared = self.hub.address()

    @staticmethod
    def emitter(address):
        from workerstate.records import sender

        logging.getLogger().setLevel(logging.INFO)
        if not sender.install(address):
            raise SystemExit("no hub")
        return logger_emit()

    def stop(self):
        self.hub.stop(60)


class Queue(Peer):
    def __init__(self, path, context):
        self.shared = context.Queue()
        self.listener = logging.handlers.QueueListener(self.shared, file_handler(path))
        self.listener.start()

    @staticmethod
    def emitter(queue):
        only(logging.handlers.QueueHandler(queue))
        return logger_emit()

    @staticmethod
    def finish(queue):
        queue.close()  # most of the work is done by its thread, after emit has returned
        queue.join_thread()

    def stop(self):
        self.listener.stop()


class Socket(Peer):
    def __init__(self, path, context):
        only(file_handler(path))

        class Receiver(socketserver.StreamRequestHandler):
            def handle(self):
                while True:
                    head = self.rfile.read(4)
                    if len(head) < 4:
                        return
                    body = self.rfile.read(struct.unpack(">L", head)[0])
                    record = logging.makeLogRecord(pickle.loads(body))
                    logging.getLogger(record.name).handle(record)

        class Server(socketserver.ThreadingTCPServer):
            request_queue_size = 128
            daemon_threads = False
            block_on_close = True

        self.server = Server(("127.0.0.1", 0), Receiver)
        self.shared = self.server.server_address
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @staticmethod
    def emitter(address):
        only(logging.handlers.SocketHandler(*address))
        return logger_emit()

    def stop(self):
        time.sleep(0.1)  # connections that are still in the backlog
        self.server.shutdown()
        self.server.server_close()


class Loguru(Peer):
    def __init__(self, path, context):
        from loguru import logger

        logger.remove()
        logger.add(path, enqueue=True, context=context, format="{time} {process} {level} {message}")
        self.shared = logger

    @staticmethod
    def emitter(logger):
        return lambda worker, n: logger.info(
            "w={} n={} a message of the usual length, with some arguments: {}", worker, n, "value"
        )

    def stop(self):
        self.shared.complete()
        self.shared.remove()


class Concurrent(Peer):
    def __init__(self, path, context):
        self.shared = path

    @staticmethod
    def emitter(path):
        from concurrent_log_handler import ConcurrentRotatingFileHandler

        handler = ConcurrentRotatingFileHandler(path, maxBytes=0)
        handler.setFormatter(logging.Formatter(FORMAT))
        only(handler)
        return logger_emit()


class Single(Peer):
    def __init__(self, path, context):
        self.shared = path

    @staticmethod
    def emitter(path):
        only(file_handler(path))
        return logger_emit()


PEERS = {
    "workerstate": Workerstate,
    "queue": Queue,
    "socket": Socket,
    "loguru": Loguru,
    "concurrent": Concurrent,
    "single": Single,
}


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def work(peer: str, shared: object, number: int, count: int, mode: str, barrier, out: str) -> None:
    emit = PEERS[peer].emitter(shared)
    emit(number, -1)  # imports, connections, caches
    barrier.wait(60)
    before, clock = cpu(), time.perf_counter
    times: list[float] = []
    due = time.monotonic()
    step = 1 if mode == "calm" else SAMPLE
    for n in range(count):
        if mode == "calm":
            due += 0.001
            time.sleep(max(0.0, due - time.monotonic()))
        if n % step:
            emit(number, n)
        else:
            start = clock()
            emit(number, n)
            times.append(clock() - start)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    PEERS[peer].finish(shared)
    with open(f"{out}.{number}", "w") as file:
        json.dump({"cpu": cpu() - before, "times": times}, file)


def check(path: str, workers: int, count: int) -> dict[str, int]:
    seen: dict[int, list[int]] = {number: [] for number in range(workers)}
    with open(path) as file:
        for line in file:
            match = LINE.search(line)
            if match and int(match[2]) >= 0:
                seen[int(match[1])].append(int(match[2]))
    got = list(seen.values())
    return {
        "sent": workers * count,
        "lost": sum(count - len(set(one)) for one in got),
        "duplicated": sum(len(one) - len(set(one)) for one in got),
        "disordered": sum(a > b for one in got for a, b in itertools.pairwise(one)),
    }


def main_of_one_run(peer: str, start: str, mode: str, workers: str, records: str) -> None:
    context = multiprocessing.get_context(start)
    number, count = int(workers), int(records)
    if peer == "single":
        number, count = (1, count) if mode == "calm" else (1, number * count)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        served = PEERS[peer](path, context)
        barrier = context.Barrier(number + 1)
        jobs = [
            context.Process(
                target=work, args=(peer, served.shared, i, count, mode, barrier, f"{folder}/out")
            )
            for i in range(number)
        ]
        for job in jobs:
            job.start()
        barrier.wait(60)
        began, used = time.perf_counter(), cpu()
        for job in jobs:
            job.join()
        stopper = threading.Thread(target=served.stop, daemon=True)
        stopper.start()
        stopper.join(30 if mode == "kill" else 120)
        seconds, used = time.perf_counter() - began, cpu() - used
        result = {"hung": stopper.is_alive(), **check(path, number, count)}
        if mode != "kill":
            result.update(summary(folder, number, count, seconds, used))
        print(json.dumps(result))
        sys.stdout.flush()
    os._exit(0)


def summary(folder: str, workers: int, count: int, seconds: float, parent: float) -> dict:
    times: list[float] = []
    used = parent
    for number in range(workers):
        with open(f"{folder}/out.{number}") as file:
            found = json.load(file)
        times += found["times"]
        used += found["cpu"]
    times.sort()
    total = workers * count
    return {
        "rate": total / seconds,
        "cpu": 1e6 * used / total,
        "cpu_parent": 1e6 * parent / total,
        "p50": 1e6 * times[len(times) // 2],
        "p99": 1e6 * times[len(times) * 99 // 100],
    }
