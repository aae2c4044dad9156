"""The champion function's environment variables; all it needs otherwise comes with each event."""

from __future__ import annotations

SERVICE_NAME = "champion"


def to_environment() -> dict[str, str]:
    """What the stack sets on the function."""
    return {"POWERTOOLS_SERVICE_NAME": SERVICE_NAME}
