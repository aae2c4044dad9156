"""Which IAM actions exist, and on which types of resources: AWS's service authorization reference, from cfn-lint.

The reference names actions in lower case, and each type's ARNs by pattern.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint.data.AdditionalSpecs

from local.services.iam.patterns import matches_action

_FILE = "Policies.json"


def exists(action: str) -> bool:
    """Whether an action pattern matches an action of AWS."""
    prefix, _, name = action.partition(":")
    if "*" in prefix or "?" in prefix:
        return True
    known = _actions(prefix.lower())
    if not any(character in name for character in "*?"):
        return name.lower() in known
    return any(matches_action(name, each) for each in known)


def resource_types(action: str) -> tuple[str, ...] | None:
    """The types of resources that a permission for this action may name; none where it can only name `*`.

    None where there is no such action.
    """
    prefix, _, name = action.partition(":")
    found = _actions(prefix.lower()).get(name.lower())
    return None if found is None else tuple(found.get("Resources", ()))


def _actions(prefix: str) -> Mapping[str, Any]:
    actions: Mapping[str, Any] = _reference().get(prefix, {}).get("Actions", {})
    return actions


@cache
def _reference() -> Mapping[str, Any]:
    folder = Path(cfnlint.data.AdditionalSpecs.__path__[0])
    reference: Mapping[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return reference
