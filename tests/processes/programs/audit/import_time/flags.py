import os
import tempfile

DEBUG = os.environ.get("APP_DEBUG") == "1"
FOLDER = tempfile.mkdtemp()
OWNER = os.getpid()
HOME = os.environ.get("HOME")


def read():
    return DEBUG, FOLDER, bool(OWNER), HOME
