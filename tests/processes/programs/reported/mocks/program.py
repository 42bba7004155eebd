"""A test patches a client, a constant and the environment around a pool."""

import multiprocessing as mp
import os
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import client

START = os.environ.get("START", "fork")


def job(i):
    return (
        client.Client().get(f"/item/{i}"),
        client.RETRIES,
        os.environ.get("API_KEY", "none"),
        client.now(),
    )


def make_pool(n):
    if START == "loky":
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=n)
    return ProcessPoolExecutor(n, mp_context=mp.get_context(START))


if __name__ == "__main__":
    with (
        mock.patch.object(client.Client, "get", return_value={"ok": True}),
        mock.patch("client.RETRIES", 0),
        mock.patch.dict(os.environ, {"API_KEY": "test"}),
        mock.patch("client.now", side_effect=lambda: 123),
        make_pool(2) as pool,
    ):
        out = list(pool.map(job, range(3)))
    ok = out == [({"ok": True}, 0, "test", 123)] * 3
    print(f"RESULT: {'OK' if ok else 'BAD'} {out[0]}")
