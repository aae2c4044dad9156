"""What a call does to the state, by its name: nothing, something that must be kept before the caller hears of it, or
something that may be lost with the last second before a `kill -9`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from local.api_calls import ApiCall, Unknown

READS: Final = re.compile(r"(Get|List|Describe|Head|BatchGet|TransactGet|Query|Scan|Filter|Test|Encrypt|Decrypt)")
SECRETIVE_WRITES: Final = frozenset({"sts:GetSessionToken", "sts:GetFederationToken"})
"""They make credentials."""

LAZY: Final = frozenset({"cloudwatch:PutMetricData", "logs:PutLogEvents"})
"""Many a second, and each of little worth."""

WAITING: Final = frozenset({"sqs:ReceiveMessage"})
"""They wait for other calls, so that these must not wait for them."""


class Effect(Enum):
    """What a call does to the state."""

    NONE = "none"
    LAZY = "kept within a second"
    DURABLE = "kept before the answer"


def effect_of(call: ApiCall | Unknown) -> Effect:
    """What a call may do; a name that says nothing is taken for a change."""
    name = f"{call.service}:{call.operation}"
    if name in LAZY:
        return Effect.LAZY
    if READS.match(call.operation) and name not in SECRETIVE_WRITES:
        return Effect.NONE
    return Effect.DURABLE


def waits_for_others(call: ApiCall | Unknown) -> bool:
    """Whether the call may take as long as others let it."""
    return f"{call.service}:{call.operation}" in WAITING


def s3_object_of(call: ApiCall | Unknown) -> tuple[str, str] | None:
    """Bucket and key, where the call changes this one object of S3 and no other."""
    if not isinstance(call, ApiCall) or call.service != "s3":
        return None
    bucket, key = call.parameters.get("Bucket"), call.parameters.get("Key")
    return (bucket, key) if bucket and key else None
