from base import ALIASES, FILTERS, Filter, register


@register("strip")
def strip(text):
    return text.strip()


class Strip(Filter):
    pass


def known(name):
    name = ALIASES.get(name, name)
    return name in FILTERS or (name in Filter.kinds and Filter.order == 1)
