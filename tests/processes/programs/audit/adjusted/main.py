"""The main part sets what libraries keep for themselves, in their modules and classes."""

import http.client
import mimetypes
import multiprocessing
import os
import socket
import ssl
import sys
import tempfile
import urllib.request
import xml.etree.ElementTree as ET


class Refused(socket.socket):
    def connect(self, address):
        raise OSError("refused by the program")


def place(number):
    file, path = tempfile.mkstemp(prefix="workerstate-test-")
    os.close(file)
    os.unlink(path)
    return path.count(os.sep)


def verified(number):
    return http.client.HTTPSConnection("localhost")._context.verify_mode


def fetched(number):
    # By a name that urllib computes from that of the protocol.
    try:
        urllib.request.urlopen("http://127.0.0.1:9", timeout=1)
    except OSError as error:
        return "by the program" in str(error)


def tagged(number):
    return ET.tostring(ET.Element("{http://example.org/shop}item"))


def tagged_itself(number):
    ET.register_namespace("shop", "http://example.org/shop")
    return tagged(number)


def typed(number):
    return mimetypes.guess_type("prices.shop")


def fetched_by_opener(number):
    urllib.request.urlopen("data:,x")
    return dict(urllib.request._opener.addheaders).get("X-Shop")


def own(number):
    return os.path.basename(f"/{number}"), urllib.request.quote(" ")


if __name__ == "__main__":
    wanted = sys.argv[2]
    tasks = (place, verified, fetched, tagged, tagged_itself, typed, fetched_by_opener, own)
    task = {each.__name__: each for each in tasks}.get(wanted, own)
    with tempfile.TemporaryDirectory() as folder:
        if wanted in ("place", "own"):
            tempfile.tempdir = os.path.join(folder, "a", "b", "c", "d")
            os.makedirs(tempfile.tempdir)
        if wanted in ("verified", "own"):
            ssl._create_default_https_context = ssl._create_unverified_context
        if wanted in ("fetched", "own"):
            socket.socket = Refused
        if wanted in ("tagged", "tagged_itself", "own"):
            ET.register_namespace("shop", "http://example.org/shop")
        if wanted in ("typed", "own"):
            mimetypes.add_type("application/x-shop", ".shop")
        if wanted in ("fetched_by_opener", "own"):
            opener = urllib.request.build_opener()
            opener.addheaders = [("X-Shop", "1")]
            urllib.request.install_opener(opener)
        with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
            print(pool.map(task, range(2)))
