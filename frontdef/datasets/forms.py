"""Data sets that are named by where they are: ``PREFIX:PLACE@option=value,option=value``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from frontdef.errors import ConfigError, UnknownNameError

OPTIONS = re.compile(r"@(?=\w+=)([^@/]*)$")
"""The end of a name that holds options; every character of it stands unquoted on a command line."""


@dataclass(frozen=True)
class Form:
    """A kind of data set that a name describes.

    Args:
        usage: How such a name reads.
        describe: Reference to a function from what stands behind the prefix to a `Dataset`.
        summary: One line for ``frontdef ls datasets``.
        prefix: What stands before the colon; empty where it is a file.
        suffix: How that file ends.
    """

    usage: str
    describe: str
    summary: str
    prefix: str = ""
    suffix: str = ""

    def matches(self, before_colon: str) -> bool:
        """Whether a name of which this stands before the colon is of this form."""
        return before_colon == self.prefix if self.prefix else before_colon.endswith(self.suffix)


FORMS: tuple[Form, ...] = (
    Form(
        "imagefolder:PATH",
        "frontdef.datasets.folder:describe",
        "a folder of images for each class; @resize=256,crop=224 brings them to one size",
        prefix="imagefolder",
    ),
    Form(
        "arrays:FILE.npz",
        "frontdef.datasets.arrays:describe",
        "arrays x and y in a file of NumPy's; @layout=NHWC where channels come last",
        prefix="arrays",
    ),
    Form(
        "samples:NAME",
        "frontdef.datasets.samples:describe",
        "20 pictures that foolbox ships, of imagenet, cifar10, cifar100, mnist or fashion-mnist",
        prefix="samples",
    ),
    Form(
        "FILE.py:FUNCTION",
        "frontdef.datasets.function:describe",
        "what a function of yours returns: (x, y) or a map-style torch Dataset",
        suffix=".py",
    ),
)


def form_of(name: str) -> Form | None:
    """The form of a name, or None where it is an id.

    Raises:
        UnknownNameError: It has a prefix, and no form has that; the nearest is given.
    """
    before, colon, _ = name.partition(":")
    if not colon:
        return None
    for form in FORMS:
        if form.matches(name.rpartition(":")[0] if not form.prefix else before):
            return form
    known = [form.prefix for form in FORMS if form.prefix]
    usages = ", ".join(form.usage for form in FORMS)
    raise UnknownNameError("kind of data set", before, known, f"A data set is an id or one of {usages}.")


def split_options(place: str, form: str) -> tuple[str, dict[str, str]]:
    """Part a place and its options.

    Args:
        place: What stands behind the prefix.
        form: The prefix, for messages.

    Returns:
        The place, and option → value.

    Raises:
        ConfigError: Something between the commas that is no ``option=value``, or an option twice.
    """
    written = OPTIONS.search(place)
    if written is None:
        return place, {}
    options: dict[str, str] = {}
    for text in written[1].split(","):
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise ConfigError(f"{form}:{place}: options read @option=value,option=value, and {text!r} is none")
        if key in options:
            raise ConfigError(f"{form}:{place}: {key} stands twice")
        options[key] = value
    return place[: written.start()], options
