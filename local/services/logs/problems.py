"""What CloudWatch Logs refuses about filters."""

from __future__ import annotations

from model_packages.errors import FlyballError


class InvalidPattern(FlyballError):
    """A filter pattern that is none."""

    def __init__(self, pattern: str, what: str) -> None:
        super().__init__(f"Invalid filter pattern {pattern!r}: {what}")


class InvalidTransformation(FlyballError):
    """A metric filter's transformation that gives no metric."""
