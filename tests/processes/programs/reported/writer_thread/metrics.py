import queue
import threading

_queue = queue.Queue()
_thread = None


def _loop():
    while True:
        _queue.get()
        _queue.task_done()


def _ensure():
    global _thread
    if _thread is None:
        _thread = threading.Thread(target=_loop, name="metrics-writer", daemon=True)
        _thread.start()


def record(item):
    _ensure()
    _queue.put(item)


def flush():
    with _queue.all_tasks_done:
        return _queue.all_tasks_done.wait_for(lambda: not _queue.unfinished_tasks, 0.5)
