"""How long it takes to ask: what is installed, and what a stored run found. No ML library is imported for either.

    python benchmarks/speed/command_line.py                       # plugins, ls, --help, import frontdef
    python benchmarks/speed/command_line.py --run runs/digits     # results and report of a run, too
    python benchmarks/speed/command_line.py --run runs/digits --than OTHER/.venv/bin/python   # beside another checkout

Processor time and the most memory of each, the least of several interleaved rounds, and its ratio to an empty process:
what else the machine does raises both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import record
from process import spent

from frontdef.runs.results import load_results

COMMANDS = (["plugins"], ["--help"], ["ls", "defenses"])


def cost(program: list[str]) -> tuple[float, float]:
    """Processor seconds and mebibytes of a program that ends well."""
    used = spent(program)
    if used.code:
        raise SystemExit(f"{' '.join(program)} ended with {used.code}")
    return used.seconds, used.mebibytes


def programs(python: str, run: Path | None, page: Path) -> dict[str, list[str]]:
    """What is asked, by what a person types."""
    frontdef = [python, "-m", "frontdef"]
    asked = {"python -c pass": [python, "-c", "pass"], "import frontdef": [python, "-c", "import frontdef"]}
    asked |= {f"frontdef {' '.join(words)}": [*frontdef, *words] for words in COMMANDS}
    if run:
        asked["frontdef results RUN"] = [*frontdef, "results", str(run.resolve())]
        asked["frontdef report RUN"] = [*frontdef, "report", str(run.resolve()), "--out", str(page)]
    return asked


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run", type=Path, help="A run folder.")
    parser.add_argument("--than", help="Python of another checkout, measured in the same rounds.")
    parser.add_argument("--json", type=Path, help="Write the figures there as well.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            programs(python, options.run, Path(folder) / "page.html")
            for python in (sys.executable, options.than)
            if python
        ]
        taken: list[dict[str, list[tuple[float, float]]]] = [{name: [] for name in side} for side in sides]
        for _ in range(options.rounds):
            for name in sides[0]:
                for side, own in zip(sides, taken, strict=True):
                    own[name].append(cost(side[name]))
    if options.json:
        jobs = sum(job.status == "ok" for job in load_results(options.run).jobs) if options.run else 0
        rows = [
            {
                "asked": name,
                "seconds": record.spread([used[0] for used in own]),
                "mebibytes": min(used[1] for used in own),
            }
            for name, own in taken[0].items()
        ]
        record.write(options.json, {"jobs": jobs, "rounds": options.rounds, "rows": rows}, ("frontdef",))
    least = [{name: tuple(map(min, zip(*own[name], strict=True))) for name in own} for own in taken]
    for name, (seconds, mebibytes) in least[0].items():
        empty = least[0]["python -c pass"][0]
        ratio = f"{seconds / empty:5.1f}x an empty process"
        line = f"{name:24} {seconds:6.2f} s of processor time, {ratio}, {mebibytes:4.0f} MiB"
        if options.than:
            theirs, more = least[1][name]
            line += f"; there {theirs:6.2f} s ({theirs / seconds:.1f}x), {more:4.0f} MiB"
        print(line)


if __name__ == "__main__":
    main()
