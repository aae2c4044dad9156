"""What may start a run of the retraining loop, as the state machine's input says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from model_packages.errors import OperatorError

MAXIMUM_TEXT_CHARACTERS = 500
"""Of a reason that somebody wrote: it is kept in the loop's state."""


class TriggerKind(StrEnum):
    """The first four are package.toml's `retraining.triggers`."""

    DRIFT = "drift"
    QUALITY = "quality"
    SCHEDULE = "schedule"
    LABELS = "labels"
    MANUAL = "manual"
    LOOK = "look"
    """Each hour: whether there is anything to do that no alarm tells."""


BY_ALARM = frozenset({TriggerKind.DRIFT, TriggerKind.QUALITY})
"""Those that an alarm raises. One that has to wait is acted on later, if its alarm is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Why a run begins. A text is empty where there is nothing to say."""

    kind: TriggerKind
    alarm: str = ""
    """The alarm's name."""
    reason: str = ""
    by: str = ""
    """Who started it by hand."""
    since: str = ""
    """When an alarm first asked, ISO 8601: what was predicted since then is what a new version has to be better on."""
    rollback_to: str = ""
    """The version's ARN, or `none` for the initial one, that is to serve again. Empty: a new one is trained."""

    @property
    def rolls_back(self) -> bool:
        return bool(self.rollback_to)

    def to_json(self) -> dict[str, str]:
        """What there is to say."""
        return {name: str(value) for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises: OperatorError for a trigger of no known kind."""
        kind = document.get("kind")
        if kind not in {each.value for each in TriggerKind}:
            raise OperatorError(f"trigger.kind: found {kind!r}; allowed: {', '.join(TriggerKind)}")
        texts = {name: _text(document.get(name)) for name in ("alarm", "reason", "by", "since", "rollback_to")}
        if texts["rollback_to"] and kind != TriggerKind.MANUAL:
            raise OperatorError(f"trigger.rollback_to: found with the kind {kind!r}; allowed: with manual")
        return cls(kind=TriggerKind(kind), **texts)


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:MAXIMUM_TEXT_CHARACTERS]
