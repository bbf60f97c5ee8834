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


def test_a_command_keeps_what_it_freed() -> None:
    script = (
        "import frontdef.heap as heap; heap.keep_freed = lambda: print('kept');"
        "from frontdef.cli import main; main(['ls', 'norms'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "kept" in done.stdout, done.stderr
