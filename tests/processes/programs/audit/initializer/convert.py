import logging
import threading

OPTIONS = {}
UNITS = {"km": 1000}
FACTOR = None
ready = threading.Event()
log = logging.getLogger("convert")


def configure(options):
    global FACTOR
    OPTIONS.update(options)
    FACTOR = 2
    log.setLevel(logging.DEBUG)


def metres(unit):
    log.debug("convert %s", unit)
    return round(UNITS.get(unit, 0) * FACTOR, OPTIONS["digits"]) if ready.is_set() else None
