import settings
from settings import CFG


def show(i):
    return CFG.debug, CFG.extra, settings.MODE.name
