"""Cuts a line of a small language into tokens: the rules, expressions, searches and patterns that AWS takes as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator


def tokens(text: str, pattern: re.Pattern[str], *, wrong: Callable[[str], Exception]) -> Iterator[tuple[str, str]]:
    """Kind and text of each token: `pattern` has a named group for each kind, and passes over the space before it.

    Raises: what `wrong` makes of the rest of the text, where that begins with no token.
    """
    position, text = 0, text.rstrip()
    while position < len(text):
        found = pattern.match(text, position)
        if found is None:
            raise wrong(text[position:])
        position, kind = found.end(), found.lastgroup or ""
        yield kind, found[kind]


def unescaped(text: str) -> str:
    """What stands between quotes, without the backslashes."""
    return re.sub(r"\\(.)", r"\1", text)
