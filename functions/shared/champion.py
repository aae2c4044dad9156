"""What the champion pointer says: the ARN of the version that serves, or a word while the initial one does."""

from __future__ import annotations

NO_CHAMPION = "none"


def label_of(arn: str) -> str:
    """For people: the version's number in the registry, or `initial`."""
    return "initial" if arn == NO_CHAMPION else arn.rpartition("/")[2]
