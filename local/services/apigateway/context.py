"""The `$context` of one request: what events, gateway responses and access logs are filled with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VARIABLE = re.compile(r"\$(context|stageVariables)\.([A-Za-z0-9_.\-]*[A-Za-z0-9_])")


def look_up(context: Mapping[str, Any], path: str) -> str | None:
    """The value at a dotted path such as `identity.sourceIp`, as text; None where it is absent or null."""
    value: Any = context
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return None if value is None else str(value)


def fill(
    template: str,
    *,
    context: Mapping[str, Any],
    stage_variables: Mapping[str, str],
    absent: str,
) -> str:
    """Replace each `$context.x` and `$stageVariables.x`; `absent` stands for what has no value.

    Simple substitution is all that AWS does in these places. It escapes nothing: a message with a quote in it breaks
    a JSON template that names `error.message` rather than `error.messageString`, here as there.
    """

    def value_of(match: re.Match[str]) -> str:
        kind, path = match.groups()
        value = look_up(context, path) if kind == "context" else stage_variables.get(path)
        return absent if value is None else value

    return VARIABLE.sub(value_of, template)
