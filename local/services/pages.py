"""Answers in pages, where a token says how much of the answer was given before.

Which sizes a service takes, and what it says of a token that it never gave, is its own. Lists that may change between
two pages, and whose tokens name an entry, are not cut here: local/services/sagemaker/listing.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one service: which member of calls and answers has the token, and how a wrong one is refused."""

    member: str
    refusal: Callable[[str], Exception]

    def cut(
        self, entries: Sequence[Entry], arguments: Mapping[str, Any], *, size: int
    ) -> tuple[list[Entry], dict[str, str]]:
        """The page that a call asks for, and the member with the next one's token; empty after the last page.

        Raises: `refusal`.
        """
        first = self.position(arguments)
        return list(entries[first : first + size]), self.next(first + size, total=len(entries))

    def position(self, arguments: Mapping[str, Any]) -> int:
        """How much of the answer was given before.

        Raises: `refusal`.
        """
        token = arguments.get(self.member)
        if token is None:
            return 0
        if not token.isdecimal():
            raise self.refusal(token)
        return int(token)

    def next(self, position: int, *, total: int) -> dict[str, str]:
        """The member for what follows from a position on; empty where nothing does."""
        return {self.member: str(position)} if position < total else {}
