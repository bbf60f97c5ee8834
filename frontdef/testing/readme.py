"""A README whose Python snippets run as a reader pastes them."""

from __future__ import annotations

import re
import runpy
import tempfile
import tomllib
from pathlib import Path
from typing import Any


class Readme:
    """The text of a README.

    Args:
        path: The file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.text = self.path.read_text(encoding="utf-8")

    @classmethod
    def beside(cls, test_file: str) -> Readme:
        """The README of the distribution whose folder ``tests`` holds a file.

        Args:
            test_file: ``__file__`` of a test.
        """
        return cls(Path(test_file).resolve().parents[1] / "README.md")

    def snippets(self, language: str = "python") -> list[str]:
        """The fenced blocks of a language, in order."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, flags=re.DOTALL | re.MULTILINE)

    def snippet(self, word: str, language: str = "python") -> str:
        """The one block that holds a word.

        Raises:
            AssertionError: None, or several.
        """
        holding = [snippet for snippet in self.snippets(language) if word in snippet]
        assert len(holding) == 1, f"{self.path.name} has {len(holding)} {language} snippets with {word!r}, not one"
        return holding[0]

    def run(self, word: str = "", /, **names: Any) -> dict[str, Any]:
        """Run a snippet, or all of them one after the other, as a file.

        Args:
            word: What the snippet holds; empty for all of them.
            names: Variables that the README says the reader has.

        Returns:
            Its variables.

        Raises:
            AssertionError: No snippet, or several with that word.
        """
        code = self.snippet(word) if word else "\n".join(self.snippets())
        assert code, f"{self.path.name} has no Python snippet"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "snippet.py"
            file.write_text(code, encoding="utf-8")
            return runpy.run_path(str(file), names)

    def tables(self, word: str = "") -> list[dict[str, Any]]:
        """The TOML snippets, parsed.

        Args:
            word: What they hold; empty for all of them.
        """
        return [tomllib.loads(snippet) for snippet in self.snippets("toml") if word in snippet]

    def rows(self) -> list[str]:
        """What stands in backticks in the first column of its tables, such as the names of configuration values."""
        return re.findall(r"^\| `([^`]+)`[^|]*\|", self.text, flags=re.MULTILINE)
