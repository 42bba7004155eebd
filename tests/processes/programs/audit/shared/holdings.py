import random
import sqlite3
import tempfile
import threading

lock = threading.Lock()
free = threading.Lock()
connection = sqlite3.connect(":memory:")
file = tempfile.TemporaryFile()
generator = random.Random()
unused = random.Random()
TIMEOUT = 0.2


def look(number):
    got = lock.acquire(timeout=TIMEOUT)
    with free:
        connection.execute("select 1")
        file.seek(number)
        generator.random()
    return got
