import json
import textwrap


def dump(text):
    try:
        return json.dumps({text: {3, 1}})
    except TypeError as error:
        return str(error)


def fill(text):
    return textwrap.fill(text + " and more", 8)


def load(text):
    return json.loads(text)
