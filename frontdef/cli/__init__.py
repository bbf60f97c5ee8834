"""The command line. A command is imported when it is invoked, never for ``--help``."""

from __future__ import annotations

import click

from frontdef._version import __version__
from frontdef.cli.group import DEBUG, Command, LazyGroup

COMMANDS = {
    "evaluate": Command(
        "frontdef.cli.evaluate:evaluate", "Compare defenses", "What does a model that you have withstand?"
    ),
    "run": Command("frontdef.cli.run:run", "Compare defenses", "Train, attack, verify and store what is missing."),
    "plan": Command("frontdef.cli.plan:plan", "Compare defenses", "Show the jobs of a run and what they will cost."),
    "retry": Command("frontdef.cli.run:retry", "Compare defenses", "Run what failed of a run again."),
    "results": Command("frontdef.cli.results:results", "Compare defenses", "Show what a run found; ask it in SQL."),
    "status": Command(
        "frontdef.cli.status:status", "Compare defenses", "Say how far a run is, while it works or after."
    ),
    "compare": Command(
        "frontdef.cli.compare:compare_runs", "Compare defenses", "What changed between two runs, or rows."
    ),
    "report": Command("frontdef.cli.results:report", "Compare defenses", "Write a run as one offline HTML file."),
    "figure": Command(
        "frontdef.cli.figure:figure", "Compare defenses", "Draw brackets, curves or heat map for a paper."
    ),
    "verify": Command("frontdef.cli.verify:verify", "Compare defenses", "Read every file of a run, compare checksums."),
    "bundle": Command("frontdef.cli.bundle:bundle", "Compare defenses", "Write what a run claims for anyone to check."),
    "merge": Command("frontdef.cli.merge:merge", "Compare defenses", "Join the folders of a run's shards into one."),
    "compact": Command("frontdef.cli.compact:compact", "Compare defenses", "Many small files of a run into few."),
    "analyze": Command("frontdef.cli.analyze:analyze", "Look inside", "What happens in the layers of a network."),
    "check-attack": Command(
        "frontdef.cli.check_attack:check_attack", "Compare attacks", "Test what a right attack implementation does."
    ),
    "train": Command("frontdef.cli.train:train", "Use a defense", "Train a defense and write its weights."),
    "ls": Command("frontdef.cli.ls:ls", "See what there is", "List defenses, attacks, data sets …"),
    "plugins": Command(
        "frontdef.cli.plugins:plugins", "See what there is", "List plugins and what is wrong with them."
    ),
    "doctor": Command("frontdef.cli.doctor:doctor", "See what there is", "Check this installation, plugin by plugin."),
    "new-plugin": Command("frontdef.cli.new_plugin:new_plugin", "Write a defense", "Start a plugin from a template."),
    "check": Command("frontdef.cli.check:check", "Write a defense", "Test every promise of a defense on small data."),
    "diagnose": Command("frontdef.cli.masking:diagnose", "Write a defense", "Find out whether its gradient is lying."),
}


@click.group(cls=LazyGroup, commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="frontdef")
@click.option(DEBUG, is_flag=True, expose_value=False, help="Show whole tracebacks of errors; may stand anywhere.")
def main() -> None:
    """Front-end defenses as ART plugins, attacked by ART, torchattacks and foolbox with the same parameters."""
