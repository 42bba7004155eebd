from base import Filter, register


@register("upper")
def upper(text):
    return text.upper()


class Upper(Filter):
    pass
