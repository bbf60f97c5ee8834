"""Memory that is freed stays: asked for again, it needs no new pages."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from frontdef.heap import keep_freed
if sys.argv[1] == "kept" and not keep_freed():
    print("unable")
    sys.exit()
def large(): return torch.ones(16 * 2**20)  # 64 MiB
for _ in range(10): large()  # until a block that was freed fits
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): large()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(heap: str) -> str:
    done = subprocess.run([sys.executable, "-c", FAULTS, heap], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_tensor_of_a_size_that_was_freed_before_needs_no_new_pages() -> None:
    kept = faults("kept")
    if kept == "unable":
        pytest.skip("this C library has no mallopt")
    pages = 10 * 64 * 2**20 // 4096
    assert int(kept) < pages / 100


def test_a_command_keeps_what_it_freed_and_a_group_that_is_called_does_not() -> None:
    patch = "import runpy, sys; import frontdef.heap as heap; heap.keep_freed = lambda: print('kept');"
    asked = "sys.argv = ['frontdef', 'ls', 'norms']; runpy.run_module('frontdef', run_name='__main__')"
    called = "from frontdef.cli import main; main(['ls', 'norms'], standalone_mode=False)"
    for script, kept in ((asked, True), (called, False)):
        done = subprocess.run([sys.executable, "-c", patch + script], capture_output=True, text=True)
        assert ("kept" in done.stdout) is kept, done.stderr


def test_where_address_space_is_limited_nothing_is_kept() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**36, resource.RLIM_INFINITY));"
    said = "from frontdef.heap import keep_freed; print(keep_freed())"
    assert subprocess.run([sys.executable, "-c", limit + said], capture_output=True, text=True).stdout == "False\n"


def test_what_was_kept_is_given_back() -> None:
    """Blocks of 64 MiB that are free, a small one that is not at the end of the heap: most of it is the system's."""
    script = """
import torch
from frontdef.heap import give_back, keep_freed
def held(): return int(open("/proc/self/statm").read().split()[1]) * 4096
if keep_freed():
    before, blocks = held(), [torch.ones(2**22) for _ in range(32)]
    pin = bytes(2**16)
    del blocks
    kept = held() - before
    give_back()
    print(kept > 2**28, held() - before < 2**27)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout in ("", "True True\n")
