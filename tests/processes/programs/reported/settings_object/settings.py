import enum
import threading


class Mode(enum.Enum):
    FAST = 1
    SAFE = 2


class Config:
    def __init__(self):
        self.debug = False
        self.extra = {}


CFG = Config()
MODE = Mode.FAST
LOCK = threading.Lock()
HOOKS = {"lock": LOCK}
_MISSING = object()
