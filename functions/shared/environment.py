"""Reads a function's environment variables. Each function's `settings.py` names its own; the stack sets them.

A missing or wrong variable is one sentence, raised while the function starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model_packages.errors import OperatorError


def read_text(environment: Mapping[str, str], name: str) -> str:
    """The variable's value. Raises: OperatorError if it is missing or empty."""
    value = environment.get(name, "")
    if not value:
        raise OperatorError(f"environment variable {name}: found nothing; allowed: a text; the stack sets it")
    return value


def read_choice(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """The variable's value. Raises: OperatorError if it is none of `choices`."""
    value = read_text(environment, name)
    if value not in choices:
        raise OperatorError(f"environment variable {name}: found {value!r}; allowed: {', '.join(choices)}")
    return value


def read_whole_number(environment: Mapping[str, str], name: str, *, least: int = 1) -> int:
    """The variable's value, `least` or more. Raises: OperatorError if it is not."""
    value = read_text(environment, name)
    if not (value.isascii() and value.isdigit() and int(value) >= least):
        raise OperatorError(f"environment variable {name}: found {value!r}; allowed: a whole number, {least} or more")
    return int(value)
