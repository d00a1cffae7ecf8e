"""Threads do not get a heap each."""

import os
import subprocess
import sys

import pytest

COUNT_HEAPS = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
if sys.argv[1] == "shared":
    from live.heap import share_one_heap
    share_one_heap()
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(6)
def work():
    together.wait(20)
    libc.malloc(ctypes.c_size_t(5000))
    together.wait(20)
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def heaps(how: str) -> int:
    unset = ("MALLOC_", "GLIBC_TUNABLES")
    told = subprocess.run(
        [sys.executable, "-c", COUNT_HEAPS, how],
        env={name: value for name, value in os.environ.items() if not name.startswith(unset)},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    ).stdout
    return told.count("<heap nr=")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heaps")
def test_all_threads_share_one_heap() -> None:
    assert heaps("as it is") > 1
    assert heaps("shared") == 1
