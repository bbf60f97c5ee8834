"""``frontdef ls``: defenses, attacks, datasets, classifiers, metrics, models, loggers."""

from __future__ import annotations

import contextlib
import fnmatch
import sys
from collections.abc import Iterator
from string import ascii_lowercase
from typing import Any

import click

from frontdef import registry
from frontdef.cli.group import SuggestingGroup
from frontdef.cli.text import print_json, print_note, print_table
from frontdef.datasets import FORMS
from frontdef.registry import Entry, OfferedAttack
from frontdef.threat import NORM_LABELS

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
norm_option = click.option("--norm", metavar="NORM", help="Only this norm: linf, l2, l1 or l0.")


@click.group(cls=SuggestingGroup)
def ls() -> None:
    """List what the core and the installed plugins offer."""


@ls.command()
@norm_option
@click.option("--randomized/--no-randomized", default=None, help="Whether it draws random numbers at test time.")
@click.option("--certified/--no-certified", default=None, help="Whether it proves anything.")
@as_json_option
def defenses(norm: str | None, randomized: bool | None, certified: bool | None, as_json: bool) -> None:
    """List defenses."""
    with _quiet():
        entries = registry.defense_entries(norm=norm, randomized=randomized, certified=certified)
    if as_json:
        print_json([_defense_json(entry) for entry in entries])
    elif not entries:
        click.echo("no installed defense matches; `frontdef plugins` lists what is installed")
    else:
        print_table(
            ("DEFENSE", "NORMS", "TRAITS", "SUMMARY"),
            [
                (
                    entry.name,
                    " ".join(NORM_LABELS[norm] for norm in entry.record.norms),
                    " ".join(trait for trait in ("randomized", "certified") if getattr(entry.record, trait)),
                    entry.record.summary,
                )
                for entry in entries
            ],
        )


@ls.command()
@norm_option
@click.option("--library", metavar="LIBRARY", help="Only this library.")
@as_json_option
def attacks(norm: str | None, library: str | None, as_json: bool) -> None:
    """List attacks: families, their norms, and how each library realizes them."""
    with _quiet():
        offered = registry.get_attacks(norm=norm, library=library)
        left_out = {} if library else registry.missing_attack_libraries()
    if as_json:
        print_json({"attacks": [_attack_json(attack) for attack in offered], "left_out": left_out})
        return
    if offered:
        _print_grid(offered)
    else:
        click.echo("no installed library offers such an attack; `frontdef ls attacks` lists all")
    for name, reason in left_out.items():
        print_note(f"left out: {name}. {reason}", bullet="!")


@ls.command()
@as_json_option
def datasets(as_json: bool) -> None:
    """List data sets."""
    with _quiet():
        offered = registry.get_datasets()
    if as_json:
        print_json([{**dataset.describe(), **_dataset_json(dataset)} for dataset in offered])
        return
    print_table(
        ("DATA SET", "IMAGES", "CLASSES", "TRAIN", "TEST", "LICENSE", "SUMMARY"),
        [
            (
                dataset.name,
                "×".join(map(str, dataset.image_shape)),
                f"{dataset.n_classes:>7}",
                _count(dataset.n_train),
                _count(dataset.n_test),
                dataset.license,
                dataset.summary,
            )
            for dataset in offered
        ],
    )
    click.echo()
    print_table(("NAMED BY PLACE", "WHAT IS READ"), [(form.usage, form.summary) for form in FORMS])


@ls.command()
@as_json_option
def classifiers(as_json: bool) -> None:
    """List classifiers that stand behind a front end."""
    with _quiet():
        offered = registry.get_classifiers()
    if as_json:
        print_json(
            [
                {"name": classifier.name, "summary": classifier.summary, "paper": classifier.paper}
                for classifier in offered
            ]
        )
    else:
        print_table(
            ("CLASSIFIER", "SUMMARY AND SOURCE"),
            [
                (classifier.name, "\n".join(filter(None, (classifier.summary, classifier.paper))))
                for classifier in offered
            ],
        )


@ls.command()
@as_json_option
def metrics(as_json: bool) -> None:
    """List what can be measured of a model beside its accuracy under attack."""
    with _quiet():
        offered = registry.get_metrics()
    fields = ("name", "unit", "better", "summary", "paper")
    if as_json:
        print_json([{name: getattr(metric, name) for name in fields} for metric in offered])
    elif not offered:
        click.echo("no installed plugin offers a metric; `frontdef plugins` lists what is installed")
    else:
        print_table(
            ("METRIC", "UNIT", "BETTER", "SUMMARY AND SOURCE"),
            [
                (metric.name, metric.unit, metric.better, "\n".join(filter(None, (metric.summary, metric.paper))))
                for metric in offered
            ],
        )


@ls.command()
@click.argument("zoo", required=False)
@click.argument("pattern", default="*")
@as_json_option
def models(zoo: str | None, pattern: str, as_json: bool) -> None:
    """List the zoos that models come from by name, or the models of one ZOO that match a PATTERN such as 'resnet*'."""
    if zoo is not None:
        with _quiet():
            names = fnmatch.filter(registry.get_zoo(zoo).list(), pattern)
        if as_json:
            print_json(names)
        else:
            click.echo("\n".join(f"{zoo}:{name}" for name in names) or f"no model of {zoo} matches {pattern!r}")
        return
    with _quiet():
        zoos = registry.zoo_entries()
    if as_json:
        fields = ("summary", "pattern", "citation")
        rows = [(entry, {name: getattr(entry.record, name) for name in fields}) for entry in zoos]
        print_json([{"name": entry.name, "plugin": entry.plugin.pin, **row} for entry, row in rows])
    elif not zoos:
        click.echo(
            "no installed plugin offers a zoo of models: pip install frontdef-zoo (torchvision, timm, RobustBench)"
        )
    else:
        print_table(
            ("SOURCE", "SUMMARY AND CITATION"),
            [
                (
                    f"{entry.name}:{entry.record.pattern}",
                    "\n".join(filter(None, (entry.record.summary, entry.record.citation))),
                )
                for entry in zoos
            ],
        )
    if not as_json:
        click.echo()
        print_note("A model of your own is named by its code: FILE.py:function, or package.module:function")


@ls.command()
@as_json_option
def loggers(as_json: bool) -> None:
    """List where a run may be logged beside its folder; nothing is logged unless --on-job names one."""
    with _quiet():
        offered = registry.get_loggers()
    if as_json:
        print_json([{"name": logger.name, "summary": logger.summary} for logger in offered])
    elif not offered:
        click.echo("no installed plugin offers a logger: pip install frontdef-mlflow, or frontdef-wandb")
    else:
        print_table(("LOGGER", "SUMMARY"), [(logger.name, logger.summary) for logger in offered])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what plugins print while they are imported to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _print_grid(offered: list[OfferedAttack]) -> None:
    libraries = list(dict.fromkeys(attack.library for attack in offered))
    cells = {(attack.family.name, attack.norm, attack.library): attack for attack in offered}
    notes = _Notes()
    rows, last = [], ""
    for family, norm in dict.fromkeys((attack.family.name, attack.norm) for attack in offered):
        marks = [notes.mark(cells.get((family, norm, library))) for library in libraries]
        rows.append(("" if family == last else family, NORM_LABELS[norm], *marks))
        last = family
    print_table(("FAMILY", "NORM", *libraries), rows)
    notes.print()


class _Notes:
    """The notes under the grid: differences are numbered, limits of the parameters lettered; each is told once."""

    def __init__(self) -> None:
        self.differences: list[str] = []
        self.limits: list[str] = []

    def mark(self, attack: OfferedAttack | None) -> str:
        """What stands in the cell: ``exact``, ``differs`` or ``–``, with its notes."""
        if attack is None:
            return "–"
        realization, labels = attack.realization, []
        if realization.difference:
            labels.append(
                str(1 + self._place(self.differences, f"{attack.library} {realization.call}: {realization.difference}"))
            )
        if realization.unsupported:
            limit = " and ".join(f"{name}={value!r}" for name, value in realization.unsupported.items())
            labels.append(ascii_lowercase[self._place(self.limits, f"for {limit} only")])
        return ("exact" if realization.exact else "differs") + (f" [{','.join(labels)}]" if labels else "")

    def print(self) -> None:
        """Write them."""
        if self.differences or self.limits:
            click.echo()
        for number, text in enumerate(self.differences, 1):
            print_note(text, bullet=f"[{number}]")
        for letter, text in zip(ascii_lowercase, self.limits, strict=False):
            print_note(text, bullet=f"[{letter}]")

    @staticmethod
    def _place(texts: list[str], text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text)


def _defense_json(entry: Entry) -> dict[str, Any]:
    defense = entry.record
    return {
        "name": entry.name,
        "plugin": entry.plugin.pin,
        "summary": defense.summary,
        "paper": defense.paper,
        "license": defense.license,
        "norms": list(defense.norms),
        "randomized": defense.randomized,
        "certified": defense.certified,
        "datasets": list(defense.datasets),
    }


def _attack_json(attack: OfferedAttack) -> dict[str, Any]:
    realization = attack.realization
    return {
        "family": attack.family.name,
        "norm": attack.norm,
        "library": attack.library,
        "call": realization.call,
        "exact": realization.exact,
        "difference": realization.difference,
        "unsupported": dict(realization.unsupported or {}),
        "agreement": attack.family.agreement,
        "paper": attack.family.paper,
    }


def _dataset_json(dataset: Any) -> dict[str, Any]:
    fields = ("image_shape", "n_classes", "n_train", "n_test", "summary", "license", "citation")
    return {name: getattr(dataset, name) for name in fields}


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
