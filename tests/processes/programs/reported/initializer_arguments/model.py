import logging
import threading
from typing import ClassVar

log = logging.getLogger(__name__)
_cfg = None
_model = None
_lock = threading.Lock()
STATS = {"loads": 0}
_ids = []


class Model:
    registry: ClassVar = {}

    def __init__(self, size):
        self.size = size
        self.lock = threading.Lock()
        Model.registry[size] = self


def setup(cfg):
    global _cfg
    _cfg = dict(cfg)


def predict(x):
    global _model
    with _lock:
        if _model is None:
            _model = Model(_cfg["size"])
            STATS["loads"] += 1
        _ids.append(x)
    log.debug("predict %s", x)
    return _model.size * x
