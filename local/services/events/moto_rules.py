"""Reads rules out of moto's memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from moto.events.models import EventsBackend, events_backends

from local.services.events.bus import Rule, Rules
from local.services.events.event import Document
from local.services.iam.moto_resources import backend_of


def moto_rules(*, account: str, region: str) -> Rules:
    """Every rule of every bus of one account and region, as it is when asked."""

    def rules() -> Iterator[Rule]:
        backend: EventsBackend = backend_of(events_backends, account, region)
        for bus in list(backend.event_buses.values()):
            for found in list(bus.rules.values()):
                yield rule_of(found)

    return rules


def rule_of(found: Any) -> Rule:
    """One of moto's rules."""
    return Rule(
        name=found.name,
        arn=found.arn,
        bus=found.event_bus_name,
        enabled=found.state != "DISABLED",
        schedule=found.scheduled_expression or None,
        targets=tuple(found.targets),
        matches=partial(_matches, found.event_pattern),
    )


def _matches(pattern: Any, document: Document) -> bool:
    """moto takes a rule that has a schedule alone for one that fits every event."""
    return bool(pattern.get_pattern()) and bool(pattern.matches_event(document))
