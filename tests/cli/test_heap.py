import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from wsiseg.cli.heap import limit_arenas
limit_arenas()
libc = ctypes.CDLL(None)
together = threading.Barrier(8)
def work():
    held = [bytes(5000) for _ in range(200)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="the number of malloc arenas is set for glibc, which Linux alone has",
)
@pytest.mark.parametrize(("asked", "most"), [(None, 2), ("1", 1)])
def test_threads_share_arenas_of_the_heap(asked, most):
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"}
    if asked is not None:
        environment["MALLOC_ARENA_MAX"] = asked
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert 1 <= done.stdout.count("<heap nr=") <= most
