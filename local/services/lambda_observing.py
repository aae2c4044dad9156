"""What is told of each run of a function, to whoever counts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRun:
    """A run, or an attempt at one that was throttled; `concurrent` counts it, too."""

    function_name: str
    is_throttled: bool = False
    has_failed: bool = False
    duration_ms: float = 0.0
    concurrent: int = 1


RunObserver = Callable[[FunctionRun], None]
"""Told before the caller hears of the run, so it has to be quick."""
