"""Tables of the summaries under benchmarks/results, which `benchmarks/summarize.py` takes from a run."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from frontdef.checks.kit import markdown_table
from frontdef.threat import NORM_LABELS, check_norm, format_eps
from frontdef.verdicts.agreement import VERDICTS
from frontdef.verdicts.statistics import wilson

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"
PAPERS = RESULTS.parent / "papers"
TITLES = {"classifier": "model", "defense": "front end"}

Row = Mapping[str, str]


def about(run: str) -> str:
    """How a run is repeated, and on what it was made."""
    if not folder_of(run).exists():
        return "\nNot run.\n\n"
    said: dict[str, Any] = json.loads((folder_of(run) / "about.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    missing = ", ".join(f"{count} of the table {table}" for table, count in said["missing"].items())
    more = "".join(f", {words}" for words in spent(said))
    notes = "".join(f"- {note}\n" for note in said["notes"])
    return (
        f"\n`{said['command']}`: {said['samples']} samples of {', '.join(said['datasets'])}, seed {said['seed']}"
        f"{more}, {said['device']}, {versions}. {len(said['failures'])} jobs failed; "
        f"not run: {missing or 'none'}.\n\n{notes}\n"
    )


def spent(said: Mapping[str, Any]) -> list[str]:
    """How many images a run was trained on and how long its jobs took, as far as its summary says."""
    words = []
    if said.get("train_samples"):
        words.append(f"{said['train_samples']:,} training images")
    if said.get("wall"):
        words.append(f"{said['wall'] / 60:.0f} minutes of jobs")
    return words


def worst(run: str) -> str:
    """Clean accuracy and worst case of each row, with its interval, and the attack that broke most."""
    titles = ("model", "front end", "threat", "n", "clean", "worst case", "95 % interval", "strongest attack")
    return table_of(titles, (_worst(row) for row in rows_of(run, "worst")))


def published(run: str) -> str:
    """The rows without a front end beside what the models' authors published."""
    titles = (
        "model",
        "clean, published",
        "clean, here",
        "worst case, published",
        "worst case, here",
        "95 % interval",
        "published in it",
    )
    said = {row["classifier"]: row for row in rows_of(run, "published")}
    bare = [row for row in rows_of(run, "worst") if row["defense"] == "none"]
    return table_of(
        titles,
        (
            (
                row["classifier"], percent(said[row["classifier"]]["clean"], 1), percent(row["clean"]),
                percent(said[row["classifier"]]["robust"], 1), percent(row["robust"]), _interval(row),
                "yes" if float(row["low"]) <= float(said[row["classifier"]]["robust"]) <= float(row["high"]) else "no",
            )
            for row in bare
        ),
    )  # fmt: skip


def overlaps(run: str) -> str:
    """Which front ends differ from none beyond their intervals, in one line a model."""
    groups = defaultdict(list)
    for row in rows_of(run, "worst"):
        groups[row["classifier"]].append(row)
    lines = []
    for model, rows in groups.items():
        bare = next(row for row in rows if row["defense"] == "none")
        apart = [
            f"{row['defense']} ({'higher' if float(row['robust']) > float(bare['robust']) else 'lower'})"
            for row in rows
            if float(row["low"]) > float(bare["high"]) or float(row["high"]) < float(bare["low"])
        ]
        told = (
            f"beyond the intervals: {', '.join(apart)}"
            if apart
            else "no front end differs from none beyond the intervals"
        )
        lines.append(f"- {model}: {told}.")
    return "\n" + "\n".join(lines) + "\n\n"


def attacks(run: str) -> str:
    """Robust accuracy of each row under each attack, over the libraries that ran it."""
    cells = rows_of(run, "cells")
    columns = list(dict.fromkeys(map(_column, cells)))
    rows: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        rows[cell["classifier"], cell["defense"]][_column(cell)].append(cell)
    titles = ("model", "front end", *columns)
    return table_of(titles, ((*row, *(_range(found[column]) for column in columns)) for row, found in rows.items()))


def agreement(run: str) -> str:
    """Verdicts on each pair of libraries, counted over models and front ends."""
    titles = ("attack", "libraries", "verdicts over rows", "only the first broke", "only the second", "cause")
    return table_of(titles, (_pair(row) for row in rows_of(run, "agreement")))


def diagnoses(run: str) -> str:
    """What the masking checks said."""
    if not rows_of(run, "diagnoses"):
        return "\nNo diagnosis was run.\n\n"
    titles = ("model", "front end", "verdict", "samples", "alarms", "passes a sample", "seconds")
    return table_of(
        titles,
        (
            (
                row["classifier"], row["defense"], row["verdict"], row["n_attacked"], row["alarms"] or "none",
                f"{float(row['forwards']) + float(row['backwards']):.0f}", f"{float(row['seconds']):.0f}",
            )
            for row in rows_of(run, "diagnoses")
        ),
    )  # fmt: skip


def defenses(run: str, dataset: str, norm: str, eps: float) -> str:
    """Each defense in one threat model: under each attack, the worst over all, and what is proved.

    Args:
        run: Name of the summary.
        dataset: Id of the data set.
        norm: Norm of the threat model.
        eps: Its radius.
    """
    if not folder_of(run).exists():
        return "\nNot run.\n\n"
    rows = [row for row in rows_of(run, "worst") if _here(row, dataset, norm, row["eps"], eps)]
    cells = [cell for cell in rows_of(run, "cells") if _here(cell, dataset, norm, cell["judged_eps"], eps)]
    columns = list(dict.fromkeys(cell["attack"] for cell in cells))
    titles = ("defense", "clean", *columns, "worst of all", "certified")
    return table_of(
        titles,
        (
            (
                row["defense"], with_interval(row["clean"], row["n"]),
                *(_least([cell for cell in cells if (cell["defense"], cell["attack"]) == (row["defense"], column)])
                  for column in columns),
                with_interval(row["robust"], row["n"]),
                with_interval(row["certified"], row["n"]) if row["certified"] else "–",
            )
            for row in rows
        ),
    )  # fmt: skip


def by_radius(run: str, dataset: str, norm: str) -> str:
    """Robust accuracy of each defense at each radius, with what is proved after a dash, percent."""
    if not folder_of(run).exists():
        return "\nNot run.\n\n"
    rows = [row for row in rows_of(run, "worst") if (row["dataset"], row["norm"]) == (dataset, norm)]
    radii = list(dict.fromkeys(row["eps"] for row in rows))
    grid: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        grid[row["defense"]][row["eps"]] = row
    titles = ("defense", *(f"ε = {format_eps(float(eps))}" for eps in radii))
    return table_of(titles, ((name, *(_bracket(found[eps]) for eps in radii)) for name, found in grid.items()))


def headline(run: str, dataset: str, norm: str) -> str:
    """Worst case of each defense at each radius, beside what is proved; at the largest, who broke most and belief."""
    rows = [row for row in rows_of(run, "worst") if (row["dataset"], row["norm"]) == (dataset, norm)]
    grid: dict[str, dict[float, Row]] = defaultdict(dict)
    for row in rows:
        grid[row["defense"]][float(row["eps"])] = row
    radii = sorted({float(row["eps"]) for row in rows})
    said = [
        title for eps in radii for title in (f"proved, ε = {format_eps(eps)}", f"worst case, ε = {format_eps(eps)}")
    ]
    last = f"at ε = {format_eps(radii[-1])}"
    titles = ("defense", "clean", *said, f"most was broken by, {last}", f"belief, {last}")
    return table_of(
        titles,
        (
            (
                name, f"{100 * float(at[radii[0]]['clean']):.1f}",
                *(text for eps in radii for text in (_proved(at[eps]), _left(at[eps]))),
                at[radii[-1]]["strongest"], at[radii[-1]]["belief"],
            )
            for name, at in grid.items()
        ),
    )  # fmt: skip


def borders(run: str) -> str:
    """What was certified, attacked at the border of what is proved, and what fell."""
    groups = defaultdict(list)
    for row in rows_of(run, "border"):
        groups[row["defense"], row["norm"]].append(row)
    titles = ("defense", "norm", "samples with a proof", "attacked", "their radii", "attacks", "libraries", "fell")
    table = table_of(titles, (_border(*names, rows) for names, rows in groups.items()))
    said = json.loads((RESULTS / run / "about.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    where = f"{said['samples']} samples of {', '.join(said['datasets'])}, seed {said['seed']}"
    return f"{table}`{said['command']}`: {where}, {versions}.\n\n"


def tally(run: str) -> str:
    """How often each verdict on a pair of libraries stands, and the share that was not decided."""
    rows = rows_of(run, "pairs")
    lines = []
    for mode in ("matched", "defaults"):
        said = [row["verdict"] for row in rows if row["mode"] == mode]
        if said:
            share = said.count("inconclusive") / len(said)
            lines.append((mode, str(len(said)), *(str(said.count(name)) for name in VERDICTS), f"{100 * share:.0f} %"))
    return table_of(("parameters", "pairs", *VERDICTS, "not decided"), lines)


def pairs(run: str, mode: str) -> str:
    """Verdicts on each pair of libraries; one line for all libraries of an attack where every pair is identical.

    Args:
        run: Name of the summary, which `benchmarks/agreement.py` made.
        mode: ``matched`` or ``defaults``.
    """
    attacks: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows_of(run, "pairs"):
        if row["mode"] == mode:
            attacks[row["attack"], row["eps"]].append(row)
    titles = ("attack", "ε", "libraries", "n", "verdicts over models", "broke %", "same examples", "cause")
    lines: list[tuple[str, ...]] = []
    for (attack, eps), rows in attacks.items():
        joint = all(row["verdict"] == "identical" for row in rows)
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            groups["" if joint else f"{row['library_a']} / {row['library_b']}"].append(row)
        everyone = ", ".join(sorted({row[side] for row in rows for side in ("library_a", "library_b")}))
        for libraries, group in groups.items():
            lines.append((attack, format_eps(float(eps)), libraries or everyone, *_verdicts(group)))
    return table_of(titles, lines)


def costs(run: str, *by: str) -> str:
    """What a pass and a cell took.

    Args:
        run: Name of the summary.
        by: Columns of its cells that make a line of the table.
    """
    groups = defaultdict(list)
    for cell in rows_of(run, "cells"):
        if cell["status"] == "ok":
            groups[tuple(cell[name] for name in by)].append(cell)
    titles = (*(TITLES.get(name, name) for name in by), "cells", "seconds a cell", "milliseconds a sample and pass")
    return table_of(titles, ((*names, *_cost(cells)) for names, cells in groups.items()))


def cascade(run: str) -> str:
    """The cascade beside AutoAttack and adv-lib, and what each of its stages broke and cost."""
    said = json.loads((RESULTS / run / "about.json").read_text(encoding="utf-8"))
    commands = "; ".join(dict.fromkeys(f"`{each['command']}`, seed {each['seed']}" for each in said))
    versions = ", ".join(f"{name} {version}" for name, version in said[-1]["versions"].items())
    rows = rows_of(run, "rows")
    reference = {_model(row): float(row["passes"]) for row in rows if row["attack"] == "AutoAttack"}
    titles = ("model", "ε", "attack", "n", "right", "robust", "95 % interval", "passes a sample", "of AutoAttack's",
              "broke what AutoAttack left", "left what AutoAttack broke")  # fmt: skip
    table = table_of(
        titles,
        (
            (
                _model(row), format_eps(float(row["eps"])), row["attack"], row["n"], row["right"], row["robust"],
                _interval(row), f"{float(row['passes']):,.0f}",
                f"{float(row['passes']) / reference[_model(row)]:.0%}" if _model(row) in reference else "",
                row["only_it"] or "", row["only_autoattack"] or "",
            )
            for row in rows
        ),
    )  # fmt: skip
    stages = table_of(
        ("model", "stage", "tried", "broke", "forward passes", "backward passes"),
        (
            (_model(row), row["stage"], row["tried"], row["broke"], row["forwards"], row["backwards"])
            for row in rows_of(run, "stages")
        ),
    )
    return f"\n{commands}; {versions}, {said[-1]['device']}.\n{table}\nWhat each stage of the cascade did:\n{stages}"


def averages(*runs: str) -> str:
    """What attacks on randomized models leave, by what they average over the draws."""
    kinds = ("logits", "probabilities", "log-probabilities")
    rows = [row for run in runs for row in rows_of(run, "rows")]
    table = table_of(
        ("model", "attack", "n", *kinds, "p"),
        (
            (
                row["model"],
                row["attack"],
                row["n"],
                *(f"{int(row[kind]) / int(row['n']):.1%}" for kind in kinds),
                row["p"],
            )
            for row in rows
        ),
    )
    return f"\n{_commands(runs)}.\n{table}"


def adaptive(run: str) -> str:
    """What PGD, the cascade and the adaptive search leave of the zoo's liars, and which combination won."""
    titles = ("model", "right", "PGD", "cascade", "passes", "adaptive", "passes", "won")
    table = table_of(titles, (tuple(row.values()) for row in rows_of(run, "rows")))
    return f"\n{_commands((run,))}.\n{table}"


def _commands(runs: Iterable[str]) -> str:
    said = [json.loads((RESULTS / run / "about.json").read_text(encoding="utf-8")) for run in runs]
    versions = ", ".join(f"{name} {version}" for name, version in said[0]["versions"].items())
    return "; ".join(f"`{each['command']}`" for each in said) + f"; {versions}"


def _model(row: Row) -> str:
    return f"{row['dataset']} {row['classifier'] if row['defense'] == 'none' else row['defense']}"


def _worst(row: Row) -> tuple[str, ...]:
    threat = f"{NORM_LABELS[check_norm(row['norm'])]}, {format_eps(float(row['eps']))}"
    return (
        row["classifier"], row["defense"], threat, row["n"], percent(row["clean"]), percent(row["robust"]),
        _interval(row), row["strongest"],
    )  # fmt: skip


def _column(cell: Row) -> str:
    return f"{cell['attack']}, n = {cell['n']}"


def _range(cells: Iterable[Row]) -> str:
    """``18 %``, or ``18 to 24 %`` where libraries differ."""
    values = sorted({round(100 * float(cell["robust_accuracy"])) for cell in cells if cell["robust_accuracy"]})
    return f"{' to '.join(map(str, dict.fromkeys((values[0], values[-1]))))} %" if values else "–"


def _pair(row: Row) -> tuple[str, ...]:
    verdicts = ", ".join(f"{row[name]} {name}" for name in VERDICTS if int(row.get(name) or 0))
    weaker = f" ({row['weaker']} weaker)" if row["weaker"] else ""
    libraries = f"{row['library_a']}, {row['library_b']}"
    return row["attack"], libraries, verdicts + weaker, row["only_a"], row["only_b"], row["cause"] or "–"


def _cost(cells: list[Row]) -> tuple[str, ...]:
    seconds = sum(float(cell["seconds"]) for cell in cells)
    passes = sum(float(cell["n"]) * (float(cell["forwards"]) + float(cell["backwards"])) for cell in cells)
    return str(len(cells)), f"{seconds / len(cells):.1f}", f"{1000 * seconds / passes:.0f}" if passes else "–"


def _border(defense: str, norm: str, rows: list[Row]) -> tuple[str, ...]:
    first, label = rows[0], NORM_LABELS[check_norm(norm)]
    if not int(first["samples"]):
        return defense, label, first["certifiable"], "0", "–", "0", "–", "not tested"
    return (
        defense, label, first["certifiable"], first["samples"],
        f"{float(first['eps_from']):.2g} to {float(first['eps_to']):.2g}",
        str(sum(not row["raised"] for row in rows)),
        ", ".join(sorted({row["library"] for row in rows if not row["raised"]})),
        str(sum(int(row["fell"]) for row in rows)),
    )  # fmt: skip


def _verdicts(rows: list[Row]) -> tuple[str, ...]:
    counts = {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS}
    verdicts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    weaker = ", ".join(sorted({row["weaker"] for row in rows if row["weaker"]}))
    broke = " / ".join(
        f"{100 * sum(float(row[side]) for row in rows) / len(rows):.0f}" for side in ("success_a", "success_b")
    )
    same = [float(row["same_share"]) for row in rows if row["same_share"]]
    causes = dict.fromkeys(cause for row in rows for cause in row["cause"].split(", ") if cause)
    return (
        rows[0]["n"], verdicts + (f" ({weaker} weaker)" if weaker else ""), broke,
        f"{100 * sum(same) / len(same):.0f} %" if same else "–", ", ".join(causes) or "–",
    )  # fmt: skip


def _here(row: Row, dataset: str, norm: str, radius: str, eps: float) -> bool:
    return (row["dataset"], row["norm"]) == (dataset, norm) and abs(float(radius) - eps) < 1e-9


def _least(cells: list[Row]) -> str:
    """The lowest over the libraries that ran it."""
    done = [cell for cell in cells if cell["robust_accuracy"]]
    lowest = min(done, key=lambda cell: float(cell["robust_accuracy"]), default=None)
    return with_interval(lowest["robust_accuracy"], lowest["n"]) if lowest else "–"


def with_interval(share: str, n: str) -> str:
    """``67.4 % [63.2, 71.4]``: with the 95 % Wilson interval."""
    low, high = wilson(round(float(share) * int(n)), int(n))
    return f"{percent(share, 1)} [{100 * low:.1f}, {100 * high:.1f}]"


def _proved(row: Row) -> str:
    return f"{100 * float(row['certified']):.1f}" if row["certified"] else "–"


def _left(row: Row) -> str:
    return f"{100 * float(row['robust']):.1f} ({100 * float(row['low']):.0f}–{100 * float(row['high']):.0f})"


def _bracket(row: Row) -> str:
    return f"{100 * float(row['robust']):.1f}" + (f" – {100 * float(row['certified']):.1f}" if row["certified"] else "")


def _interval(row: Row) -> str:
    return f"{percent(row['low'])} to {percent(row['high'])}"


def percent(share: str, digits: int = 0) -> str:
    """A share as ``67 %``."""
    return f"{100 * float(share):.{digits}f} %"


def rows_of(run: str, name: str) -> list[Row]:
    """A file of a summary; no rows where the run has no such file."""
    path = folder_of(run) / f"{name}.csv"
    return read_csv(path) if path.exists() else []


def folder_of(run: str) -> Path:
    """Where a summary lies: those of the papers' runs beside their plans."""
    return RESULTS / run if (RESULTS / run).exists() else PAPERS / "results" / run


def read_csv(path: Path) -> list[Row]:
    """Rows of a file, column → text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table_of(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown, empty lines around it."""
    return "\n" + "\n".join(markdown_table(titles, rows)) + "\n\n"


def faults() -> str:
    """Every kind of fault, with its trials, as `python -m tests.faults` wrote them, and how each group is repeated."""
    groups = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((RESULTS / "reliability").glob("*.json"))]
    groups = [group for group in groups if "faults" in group]
    if not groups:
        return "\nNot measured yet.\n\n"
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for group in groups:
        for fault in group["faults"]:
            counts[fault["fault"]] = [
                total + int(fault[name])
                for total, name in zip(counts[fault["fault"]], ("trials", "hit", "failed"), strict=True)
            ]
    rows = [(fault, *(f"{number:,}" for number in numbers)) for fault, numbers in counts.items()]
    commands = ", ".join(f"`{group['command']}` ({_duration(group['seconds'])})" for group in groups)
    versions = ", ".join(f"{name} {groups[0]['versions'][name]}" for name in ("python", "platform", "torch"))
    table = "\n".join(markdown_table(("fault", "trials", "met the run", "went wrong"), rows))
    return f"\n{table}\n\nWritten by {commands}; {versions}.\n\n"


def mutants() -> str:
    """Of each room, how many mistakes its tests notice, and the ones that they do not."""
    path = RESULTS / "reliability" / "mutants.json"
    if not path.exists():
        return "\nNot measured yet.\n\n"
    said = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        (
            f"`{room['module']}`",
            f"{room['drawn']} of {room['all']}",
            f"{room['killed']} ({room['killed'] / room['drawn']:.0%})",
            "; ".join(room["survivors"]) or "none",
        )
        for room in said.values()
    ]
    return "\n" + "\n".join(markdown_table(("room", "mistakes made", "noticed", "survivors"), rows)) + "\n\n"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def hostile() -> str:
    """What became of the spoiled inputs of each reader, as `python -m tests.hostile` wrote it."""
    path = RESULTS / "reliability" / "hostile.json"
    if not path.exists():
        return "\nNot measured yet.\n\n"
    said = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        (
            name,
            *(f"{reader[key]:,}" for key in ("inputs", "refused", "read")),
            f"{len(reader['wrong']):,}",
            f"{reader['slowest']:.1f} s",
        )
        for name, reader in said["readers"].items()
    ]
    table = "\n".join(markdown_table(("reader", "inputs", "refused", "read", "wrong", "slowest"), rows))
    versions = ", ".join(f"{name} {said['versions'][name]}" for name in ("python", "torch"))
    return f"\n{table}\n\nWritten by `{said['command']}`; {versions}.\n\n"


def attack_mutants() -> str:
    """What one-change mutants of each library's attacks came to, with the interval of the share that is noticed."""
    said = json.loads((RESULTS / "mutants" / "about.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows_of("mutants", "mutants"):
        groups[row["library"]].append(row)
    everything = [row for rows in groups.values() for row in rows]
    titles = ("library", "mutants", "raise or hang", "unchanged", "other examples", "noticed", "share", "95 % interval")
    lines = table_of(titles, (_mutants(name, rows) for name, rows in [*groups.items(), ("all", everything)]))
    return (
        f"\n`{said['command']}`: {said['mutants']} of the {said['reached']} mutants of {said['modules']} modules, of "
        f"{said['subjects']} modules that `subjects.py` names, seed "
        f"{said['seed']}, CPU, {versions}.\n{lines}"
    )


def attack_mutants_noticed() -> str:
    """Who noticed first."""
    counts = Counter(row["noticed"] for row in rows_of("mutants", "mutants") if row["noticed"])
    return table_of(("noticed by", "mutants"), ((name, str(count)) for name, count in counts.most_common()))


def attack_mutants_survivors() -> str:
    """Which changed an example and were not noticed, with what is known of them."""
    argued = {row["id"]: row["why"] for row in read_csv(RESULTS.parent / "mutants" / "argued.csv")}
    titles = ("module", "line", "kind", "change", "rows", "what is known of it")
    return table_of(
        titles,
        (
            (f"`{row['module']}`", row["line"], row["kind"], row["change"], row["rows"], argued.get(row["id"], ""))
            for row in rows_of("mutants", "mutants")
            if row["changed"] == "True" and not row["noticed"]
        ),
    )


def _mutants(name: str, rows: list[Row]) -> tuple[str, ...]:
    crashed = sum(row["noticed"] in {"raises", "time limit"} for row in rows)
    changed = [row for row in rows if row["changed"] == "True" and row["noticed"] not in {"raises", "time limit"}]
    noticed = sum(bool(row["noticed"]) for row in changed)
    low, high = wilson(noticed, len(changed)) if changed else (0.0, 1.0)
    share = f"{noticed / len(changed):.0%}" if changed else "–"
    unchanged = len(rows) - crashed - len(changed)
    figures = (len(rows), crashed, unchanged, len(changed), noticed)
    return (name, *map(str, figures), share, f"{low:.0%} to {high:.0%}")


STEPS = {
    "plan": ("plan", 10.0),
    "resume": ("find all of them done and go on, without planning", 5.0),
    "summarize": ("`frontdef results`", 10.0),
    "resume small files": ("the same resumed, a file a cell", None),
    "compact": ("`frontdef compact`", None),
    "report": ("`frontdef report`", 20.0),
    "verify": ("`frontdef verify`", None),
}
"""Step of `benchmarks/scale.py` → what it is, and the aim in seconds."""

MEMORY = 1.0
"""GiB that a step may hold."""


def scale() -> str:
    """How the runner itself scales, as `benchmarks/scale.py --json` wrote it."""
    said = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((RESULTS / "scale").glob("*.json"))]
    rows = [
        (
            f"{step['cells']:,}",
            STEPS[step["step"]][0] + (f", {step['megabytes']:.1f} MB" if "megabytes" in step else ""),
            _aim(step["processor"], STEPS[step["step"]][1], "s"),
            _aim(step["gibibytes"], MEMORY, "GiB"),
        )
        for measured in said
        for step in measured["steps"]
        if step["step"] in STEPS
    ]
    how = "; ".join(f"`{measured['command']}`, {measured['cores']} cores, load {measured['load']}" for measured in said)
    versions = ", ".join(f"{name} {number}" for name, number in said[0]["versions"].items())
    return table_of(("cells", "step", "processor time (aim)", "memory (aim)"), rows) + f"{how}; {versions}.\n\n"


def _speed(name: str) -> tuple[dict[str, Any], str]:
    """What a script of benchmarks/speed wrote, and how: its command, how busy the machine was, the versions."""
    said: dict[str, Any] = json.loads((RESULTS / "speed" / f"{name}.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{package} {number}" for package, number in said["versions"].items())
    return said, f"`{said['command']}`, {said['cores']} cores, load {said['load']}; {versions}"


def _between(spread: Mapping[str, float], figure: str = "{:.2f}") -> str:
    """``median (least to most)``."""
    middle, least, most = (figure.format(spread[end]) for end in ("median", "least", "most"))
    return f"{middle} ({least} to {most})"


def overhead() -> str:
    """What the runner adds to a library's own call."""
    told = [_speed(f"runner-{family}") for family in ("pgd", "fgsm")]
    rows = [
        (
            row["family"],
            row["library"],
            f"{row['hand']['median']:.3f} s",
            f"{row['cell']['median']:.3f} s",
            _between({end: 100 * value for end, value in row["more"].items()}, "{:z.1f} %"),
        )
        for said, _ in told
        for row in said["figures"]
    ]
    table = table_of(("attack", "library", "by hand", "a cell", "the runner adds: median (least to most)"), rows)
    return table + "; ".join(how for _, how in told) + ".\n\n"


def checking() -> str:
    """What it costs to check a defense, and to diagnose one."""
    said, how = _speed("checks")
    rows = [
        (f"`{row['asked']}`", f"{row['seconds']:.0f} s", {0: "passes", 1: "fails"}.get(row["code"], "stopped"))
        for row in sorted(said["figures"], key=lambda row: row["seconds"])
    ]
    return table_of(("asked", "processor time", ""), rows) + how + ".\n\n"


def asking() -> str:
    """What it costs to ask."""
    said, how = _speed("command_line")
    rows = [
        (f"`{row['asked']}`", f"{row['seconds']['least']:.2f} s", f"{row['mebibytes']:.0f} MiB")
        for row in said["figures"]["rows"]
    ]
    jobs = f"A run of {said['figures']['jobs']} jobs, {said['figures']['rounds']} rounds: {how}.\n\n"
    return table_of(("asked", "processor time", "memory"), rows) + jobs


def reporting() -> str:
    """What a report costs at a real size: to build it, to open it, and each thing that a person does."""
    said, how = _speed("page")
    figures = said["figures"]
    built = [
        (
            shape["shape"],
            f"{shape['cells']:,} × {shape['samples']:,}",
            _aim(shape["seconds"], 20, "s"),
            f"{shape['mebibytes']:,.0f} MiB",
            _aim(shape["megabytes"], 10, "MB"),
            f"{shape['elements']:,}",
        )
        for shape in figures["shapes"]
    ]
    waits: dict[str, dict[str, str]] = {}
    for number, shape in enumerate(figures["shapes"], 1):
        for row in shape["rows"]:
            own = f" ({row['processor']['least']:.0f})" if "processor" in row else ""
            waits.setdefault(row["what"], {})[f"{number}: {row['width']}"] = f"{row['wall']['least']:.0f}{own}"
    places = list(next(iter(waits.values())))
    rows = [(what, *(by_place[place] for place in places)) for what, by_place in waits.items()]
    titles = ("attacks", "cells × samples", "to build (aim)", "memory", "size (aim)", "elements")
    rounds = f"{figures['rounds']} rounds: {how}.\n\n"
    return table_of(titles, built) + table_of(("milliseconds", *places), rows) + rounds


def heap() -> str:
    """What keeping freed memory gains."""
    said, how = _speed("heap")
    rows = [
        (
            row["network"],
            str(row["batch"]),
            _between(row["ratio"]),
            f"{row['memory']['given back']:.0f} and {row['memory']['kept']:.0f} MiB",
        )
        for row in said["figures"]["rows"]
    ]
    titles = ("network", "images a pass", "time kept ÷ given back", "most memory: given back and kept")
    return table_of(titles, rows) + f"{said['figures']['rounds']} rounds: {how}.\n\n"


def layout() -> str:
    """What channels-last weights gain."""
    said, how = _speed("layout")
    rows = [
        (row["network"], str(row["batch"]), _between(row["attack"]), _between(row["train"]) if row["train"] else "–")
        for row in said["figures"]["rows"]
    ]
    titles = ("network", "images a pass", "time of an attack's pass, last ÷ first", "of a training's")
    return table_of(titles, rows) + f"{said['figures']['rounds']} rounds: {how}.\n\n"


def efficiency() -> str:
    """Of the machine and of the algorithm, a table an attack."""
    said, how = _speed("efficiency")
    figures = said["figures"]
    norms = {"linf": "ℓ∞", "l2": "ℓ2"}
    told = []
    for attack, size in figures["sizes"].items():
        rows = [
            (
                row["model"],
                f"{norms[row['norm']]} {row['eps']:g}",
                row["library"],
                _between(row["machine"]),
                _between(row["algorithm"]) if row["algorithm"] else "–",
                _between(row["ratio"]),
                f"{row['passes']['median']:,.0f}",
                f"{100 * row['robust']:.1f} %",
            )
            for row in figures["rows"]
            if row["attack"] == attack
        ]
        budget = f", {size['restarts']} restarts of {size['steps']} steps" if size["steps"] else " beside AutoAttack"
        columns = ("model", "ε", "library", "machine", "algorithm", "time ÷ native's", "passes a sample", "robust")
        told.append(f"**{attack}{budget}**\n\n" + table_of(columns, rows))
    formats = [
        min(times["channels_last"].values()) / min(times["contiguous"].values())
        for times in figures["formats"].values()
    ]
    ratios = ", ".join(f"{model} {value:.2f}" for model, value in zip(figures["formats"], formats, strict=True))
    layouts = f"The best pass in `channels_last` ÷ the best contiguous one: {ratios}"
    rounds = f"{figures['samples']} samples of {figures['dataset']}, {figures['rounds']} rounds"
    return "".join(told) + f"{rounds}: {how}. {layouts}.\n\n"


FASTER = {"undefended": 10, "wavelet": 10, "trained": 2, "trades": 2}
"""Model of `benchmarks/speed/efficiency.py` → how many times as fast as the best library PGD was to be."""


def aims() -> str:
    """PGD beside the fastest library, and the cascade's passes beside AutoAttack's, with what was aimed at."""
    said, _ = _speed("efficiency")
    told: dict[tuple[str, str, float], dict[str, dict[str, Any]]] = {}
    rows = []
    for attack in ("pgd", "cascade"):
        told.clear()
        for row in said["figures"]["rows"]:
            if row["attack"] == attack:
                told.setdefault((row["model"], row["norm"], row["eps"]), {})[row["library"]] = row
        for (model, norm, eps), by_library in told.items():
            native = by_library.pop("native")
            fastest = min(by_library, key=lambda name: by_library[name]["ratio"]["median"])
            if attack == "pgd":
                ratio, aim = by_library[fastest]["ratio"]["median"], float(FASTER[model])
                what, met = f"time of {fastest} ÷ native's", ratio >= aim
                needed = ratio / native["algorithm"]["median"]
                bounds = f"{needed:.1f}", f"{needed / native['machine']['median']:.1f}"
            else:
                ratio, aim = native["passes"]["median"] / by_library[fastest]["passes"]["median"], 0.2
                what, met = "passes ÷ AutoAttack's", ratio <= aim
                bounds = "–", "–"
            place = f"{'ℓ∞' if norm == 'linf' else 'ℓ2'} {eps:g}"
            verdict = "met" if met else "**missed**"
            rows.append((attack, model, place, what, f"{ratio:.2f}", f"{aim:g}", verdict, *bounds))
    titles = ("attack", "model", "ε", "measured", "median", "aim", "", "no pass in vain", "and each at t*")
    return table_of(titles, rows)


def _aim(value: float, aim: float | None, unit: str) -> str:
    told = f"{value:.2f} {unit}"
    if aim is None:
        return told
    return f"{told} ({aim:g})" if value <= aim else f"**{told}: missed ({aim:g})**"
