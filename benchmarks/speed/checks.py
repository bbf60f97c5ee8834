"""What `frontdef check` of each defense costs, as it comes; and a diagnosis of those that are asked for.

    python benchmarks/speed/checks.py [--defenses wavelet,polarize] [--diagnose sparsecode]

Processor time of one process with one thread, the training of what stands behind the front end included.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import record
from process import spent

from frontdef.registry import get_defenses


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defenses", default="", help="which, separated by commas; all if absent")
    parser.add_argument("--diagnose", default="", help="which are diagnosed, separated by commas")
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    names = options.defenses.split(",") if options.defenses else [defense.name for defense in get_defenses()]
    asked = [["check", name] for name in names]
    asked += [["diagnose", name] for name in options.diagnose.split(",") if name]
    rows = []
    for words in asked:
        used = spent([sys.executable, "-m", "frontdef", *words], {**os.environ, "OMP_NUM_THREADS": "1"})
        rows.append({"asked": f"frontdef {' '.join(words)}", "seconds": used.seconds, "code": used.code})
        print(f"{rows[-1]['asked']:44} {used.seconds:6.1f} s of processor time, exit code {used.code}", flush=True)
        if options.json:
            record.write(options.json, rows, ("frontdef", "torch"))


if __name__ == "__main__":
    main()
