import conf
from conf import LIMIT


def label(number):
    return f"{min(number, LIMIT)} {conf.UNIT}"
