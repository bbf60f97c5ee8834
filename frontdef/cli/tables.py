"""The tables of the terminal: the same figures, in the same order, as the report's."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from frontdef.attacks.spec import family_of
from frontdef.matrix.plan import describe_radii
from frontdef.registry import get_family
from frontdef.threat import NORM_LABELS, format_eps
from frontdef.verdicts.agreement import Agreement, agreement
from frontdef.verdicts.bracket import Bracket, brackets
from frontdef.verdicts.measured import measured

if TYPE_CHECKING:
    from frontdef.runs.estimate import Estimate
    from frontdef.runs.plan import Plan
    from frontdef.runs.results import Results
    from frontdef.runs.store import Store

MARKS = {"identical": "=", "equivalent": "≈", "different": "≠", "inconclusive": "?", "invalid": "!"}
"""One mark a verdict, for the agreement grid."""

_ORDER = ["invalid", "different", "inconclusive", "equivalent", "identical"]


def print_results(console: Console, results: Results) -> bool:
    """Brackets first, then robust accuracy by defense and attack, worst over libraries; in percent.

    Returns:
        Whether every certified sample stood.
    """
    outcomes = results.outcomes()
    found = brackets(outcomes, results.certified())
    for norm in dict.fromkeys(bracket.norm for bracket in found):
        console.print(_norm_table([bracket for bracket in found if bracket.norm == norm], outcomes))
    for bracket in found:
        if bracket.violations:
            console.print(
                f"ERROR: {len(bracket.violations)} samples that {bracket.defense} certifies at "
                f"{NORM_LABELS[bracket.norm]} ε={format_eps(bracket.eps)} were broken: {bracket.violations[:5]}",
                style="bold red",
            )
    return not any(bracket.violations for bracket in found)


def _norm_table(found: list[Bracket], outcomes: pd.DataFrame) -> Table:
    norm = found[0].norm
    here = outcomes[outcomes["norm"] == norm]
    here = here.assign(robust=here["clean_correct"].astype(bool) & ~here["success"].astype(bool))
    families = list(dict.fromkeys(here["family"]))
    several = here[["dataset", "classifier"]].drop_duplicates().shape[0] > 1
    proved = any(not pd.isna(bracket.certified) for bracket in found)
    table = Table(
        title=f"{NORM_LABELS[norm]}: robust accuracy in %, per sample the worst over libraries",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
    )
    table.title_justify, table.title_style = "left", "bold"
    for name in ("defense", *(("data", "classifier") if several else ())):
        table.add_column(name, min_width=12)
    for name in ("ε", "clean", *(("proved",) if proved else ()), "worst (95 %)"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in families:
        table.add_column(name, justify="right", min_width=max(5, *map(len, name.split())))
    for bracket in _sorted(found):
        mine = here[
            (here["defense"] == bracket.defense)
            & (here["dataset"] == bracket.dataset)
            & (here["classifier"] == bracket.classifier)
            & (here["eps"] == bracket.eps)
        ]
        unbroken = mine.groupby(["family", "sample_id"])["robust"].all().groupby("family").mean()
        table.add_row(
            Text(bracket.defense),
            *((bracket.dataset, bracket.classifier) if several else ()),
            format_eps(bracket.eps),
            _percent(bracket.clean),
            *((_percent(bracket.certified),) if proved else ()),
            Text.assemble(
                (_percent(bracket.worst_case), "bold"), f" ({100 * bracket.low:.0f}–{100 * bracket.high:.0f})"
            ),
            *(_percent(unbroken[family]) if family in unbroken else "" for family in families),
        )
    return table


def _sorted(found: list[Bracket]) -> list[Bracket]:
    """Best defense first, by its mean worst case over the radii; within a defense by radius."""
    mean = {
        name: sum(bracket.worst_case for bracket in group) / len(group)
        for name in {_row(bracket) for bracket in found}
        if (group := [bracket for bracket in found if _row(bracket) == name])
    }
    return sorted(found, key=lambda bracket: (-mean[_row(bracket)], _row(bracket), bracket.eps))


def _row(bracket: Bracket) -> tuple[str, str, str]:
    return bracket.dataset, bracket.classifier, bracket.defense


QUESTIONS = {
    "matched": "same parameters: is the code right?",
    "defaults": "each library's own defaults: what does a user get?",
}


def print_agreement(console: Console, results: Results) -> None:
    """Grids of library pairs × attacks, the worst verdict over defenses and radii, and the reasons below."""
    found = agreement(results.outcomes(), results.examples, results.cells())
    if not found:
        console.print("no two libraries ran the same attack: give the matrix more than one library")
        return
    for mode, question in QUESTIONS.items():
        here = [one for one in found if one.mode == mode]
        if here:
            _print_grid(console, here, question)
    console.print("  ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items()))
    for one in found:
        if one.verdict in {"different", "invalid"}:
            console.print(Text(f"{_where(one)}: {one.reason}{_spent(one)}"), soft_wrap=True)


def _print_grid(console: Console, found: list[Agreement], question: str) -> None:
    pairs = list(dict.fromkeys((one.library_a, one.library_b) for one in found))
    title = f"{question} Worst over defenses and radii, with its cause"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("attack")
    for a, b in pairs:
        table.add_column(f"{a}\n{b}")
    for attack in dict.fromkeys(_attack(one) for one in found):
        mine = [one for one in found if _attack(one) == attack]
        table.add_row(
            attack, *(_worst([one for one in mine if (one.library_a, one.library_b) == pair]) for pair in pairs)
        )
    console.print(table)


def _where(one: Agreement) -> str:
    libraries = f"{one.library_a} and {one.library_b}"
    return f"{_attack(one)} ε={format_eps(one.eps)} on {one.dataset} {one.defense}, {libraries}"


def _spent(one: Agreement) -> str:
    if pd.isna(one.passes_a) or pd.isna(one.passes_b):
        return ""
    return f" Passes a sample: {one.passes_a:.0f} and {one.passes_b:.0f}."


def _attack(one: Agreement) -> str:
    if one.mode == "defaults":
        return f"{one.family} {NORM_LABELS[one.norm]}"
    defaults = get_family(family_of(one.family)).parameters().model_dump(mode="json")
    given = {name: value for name, value in json.loads(one.parameters).items() if value != defaults.get(name)}
    return " ".join([one.family, NORM_LABELS[one.norm], *(f"{name}={value}" for name, value in given.items())])


def _worst(found: list[Agreement]) -> str:
    if not found:
        return ""
    count = Counter(one.verdict for one in found)
    worst = min(count, key=_ORDER.index)
    share = f" {count[worst]}/{len(found)}" if count[worst] < len(found) else ""
    causes = dict.fromkeys(
        cause for one in found if one.verdict == worst and one.cause for cause in one.cause.split(", ")
    )
    told = f"\n{', '.join(causes)}" if causes and worst in {"invalid", "different"} else ""
    return f"{MARKS[worst]} {worst}{share}{told}"


def print_metrics(console: Console, results: Results) -> None:
    """Each metric as a table: a row a defense and quantity."""
    found = measured(results.metrics())
    if not found:
        console.print("no metric was measured: `frontdef ls metrics` lists them, [[metric]] in a matrix asks for one")
    several = len({(one.dataset, one.classifier) for one in found}) > 1
    for metric, parameters in dict.fromkeys((one.metric, one.parameters) for one in found):
        given = ", ".join(f"{name}={value}" for name, value in json.loads(parameters).items())
        table = Table(title=f"{metric}  {given}".strip(), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for name in ("defense", *(("data", "classifier") if several else ()), "quantity", "unit"):
            table.add_column(name)
        for name in ("mean", "95 % interval", "median", "samples"):
            table.add_column(name, justify="right", no_wrap=True)
        for one in found:
            if (one.metric, one.parameters) == (metric, parameters):
                where = (one.dataset, one.classifier) if several else ()
                interval = f"{one.low:.3g} to {one.high:.3g}"
                numbers = (f"{one.mean:.4g}", interval, f"{one.median:.4g}", str(one.n))
                table.add_row(Text(one.defense), *where, one.quantity, one.unit, *numbers)
        console.print(table)


def print_plan(console: Console, plan: Plan, store: Store, estimated: Estimate) -> None:
    """Jobs, what is stored of them, and the estimate."""
    table = Table(title=f"{len(plan.jobs)} jobs", title_justify="left", title_style="bold")
    for name in ("key", "table", "job", "stored", "estimate"):
        table.add_column(name, justify="right" if name == "estimate" else "left", no_wrap=name == "key")
    for job in plan.jobs:
        state = "yes" if store.has(job.table.name, job.key) else "failed" if store.failed(job.key) else "no"
        seconds = estimated.jobs.get(job.key, 0.0)
        told = "unknown" if seconds is None else f"{seconds:.1f} s"
        table.add_row(job.key[:8], job.table.name, Text(str(job)), state, told if job.key in estimated.jobs else "")
    console.print(table)
    for line in plan.skipped:
        console.print(Text(f"no job: {line}"))
    if plan.radii:
        console.print(f"radii at which minimum-norm attacks are judged: {describe_radii(plan.radii)}")
    console.print(Text(estimated.summary()))


def print_failures(console: Console, results: Results) -> None:
    """The tracebacks of what failed."""
    failures = results.failures()
    if not failures:
        console.print("nothing failed")
    for failure in failures:
        console.print(Text(f"{failure['key']} {failure['what']}", style="bold red"))
        console.print(Text(failure["error"]))


def print_frame(console: Console, frame: pd.DataFrame) -> None:
    """A data frame as a table."""
    table = Table()
    for name in frame.columns:
        table.add_column(str(name), justify="right" if pd.api.types.is_numeric_dtype(frame[name]) else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_value(value)) for value in row))
    console.print(table)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f}"
