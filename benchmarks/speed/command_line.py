"""How long `frontdef plugins` and `frontdef --help` take: the promise is under a second, for they import no ML library.

python benchmarks/speed/command_line.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

COMMANDS = (["plugins"], ["--help"], ["ls", "defenses"])


def spent() -> float:
    """Processor seconds of the child processes so far; other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print the least processor time of each command, and its ratio to an empty Python process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    programs = {"python -c pass": [sys.executable, "-c", "pass"]}
    programs |= {f"frontdef {' '.join(words)}": [sys.executable, "-m", "frontdef", *words] for words in COMMANDS}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            before = spent()
            subprocess.run(program, stdout=subprocess.DEVNULL, check=True)
            times[name].append(spent() - before)
    empty = min(times["python -c pass"])
    for name, values in times.items():
        print(f"{name:28} {min(values):.2f} s of processor time, {min(values) / empty:.0f}x an empty process")


if __name__ == "__main__":
    main()
