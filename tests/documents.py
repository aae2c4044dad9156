"""Reads the project's Markdown for the tests: links, headings, examples, and the commands that it names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCED = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    \S.*$", re.MULTILINE)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """(language, content) of each fenced block."""
        return [(match[1], match[2]) for match in _FENCED.finditer(self.text)]

    def section(self, heading: str) -> list[tuple[str, str]]:
        """The fenced blocks below a heading, up to the next one; the first heading is the document's title."""
        _, found, rest = self.text.partition(f"# {heading}\n")
        assert found, f"{self} has no heading {heading!r}"
        end = _HEADING.search(_FENCED.sub(lambda block: "\0" * len(block[0]), rest))
        return [(match[1], match[2]) for match in _FENCED.finditer(rest[: end.start() if end else None])]

    @property
    def code(self) -> Iterator[str]:
        """Every line of code, and every piece of code within a sentence."""
        for _, content in self.blocks:
            yield from content.splitlines()
        prose = _FENCED.sub("", self.text)
        yield from (match[0].strip() for match in _INDENTED.finditer(prose))
        yield from (" ".join(match[2].split()) for match in _SPAN.finditer(prose))

    @property
    def links(self) -> list[str]:
        """The targets of links, without those in code."""
        return _LINK.findall(_SPAN.sub("", _FENCED.sub("", self.text)))

    @property
    def anchors(self) -> set[str]:
        """What a link may name after `#`, by GitHub's rule for headings."""
        headings = _HEADING.findall(_FENCED.sub("", self.text))
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def documents() -> list[Document]:
    """Every Markdown file that is committed, or would be."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [Document(ROOT / name) for name in listing.stdout.splitlines() if (ROOT / name).is_file()]
