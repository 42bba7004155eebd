import json
import sys


def dump(text):
    return json.dumps({text: {3, 1}})


def prepare():
    json.JSONEncoder.default = lambda self, value: sorted(value)


if sys.argv[2] == "own":
    prepare()
