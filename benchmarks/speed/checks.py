"""What `frontdef check` of each defense costs, as it comes; and a diagnosis of those that are asked for.

    python benchmarks/speed/checks.py [--defenses wavelet,polarize] [--diagnose sparsecode]

Processor time of one process with one thread, the training of what stands behind the front end included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import record

from frontdef.registry import get_defenses

MEASURE = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, ended.returncode)
"""


def spent(*words: str) -> tuple[float, bool]:
    """Processor seconds of a command of frontdef, and whether it ended well."""
    program = [sys.executable, "-c", MEASURE, sys.executable, "-m", "frontdef", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
    seconds, code = said.stdout.split()
    return float(seconds), code == "0"


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
        seconds, passed = spent(*words)
        rows.append({"asked": f"frontdef {' '.join(words)}", "seconds": seconds, "passed": passed})
        print(f"{rows[-1]['asked']:44} {seconds:6.1f} s of processor time{'' if passed else ', fails'}", flush=True)
        if options.json:
            record.write(options.json, rows, ("frontdef", "torch"))


if __name__ == "__main__":
    main()
