"""Policy documents, typed. Reading one refuses by name what AWS refuses and what the evaluation does not know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

from local.services.iam.conditions import Condition, MalformedCondition, read_conditions

VERSIONS: Final = ("2008-10-17", "2012-10-17")
STATEMENT_ELEMENTS: Final = frozenset(
    ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition")
)
PRINCIPAL_TYPES: Final = ("AWS", "Service", "Federated", "CanonicalUser")

Effect = Literal["Allow", "Deny"]


class MalformedPolicy(ValueError):
    """A document that is not a policy; the sentence says why."""


class PolicyKind(Enum):
    """What a policy is attached to; decides which elements it has."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"
    SESSION = "session policy"
    BOUNDARY = "permissions boundary"


@dataclass(frozen=True, slots=True)
class Principals:
    """Whom a statement is about, by kind; `everyone` is `*`."""

    everyone: bool = False
    by_kind: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Of Action and NotAction one is None, and so on."""

    effect: Effect
    actions: tuple[str, ...] | None = None
    not_actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    not_resources: tuple[str, ...] | None = None
    principals: Principals | None = None
    not_principals: Principals | None = None
    conditions: tuple[Condition, ...] = ()
    sid: str | None = None
    has_variables: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """Statements, and the name by which a report speaks of them. Compared and hashed as the object that it is."""

    statements: tuple[Statement, ...]
    name: str = ""


@lru_cache(maxsize=4096)
def read_policy(text: str, *, name: str = "", kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    """Parses a document; the same text gives the same object.

    Raises: MalformedPolicy.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MalformedPolicy(f"The policy is not in the valid JSON format: {error}") from error
    return policy_of(document, name=name, kind=kind)


def policy_of(document: Any, *, name: str = "", kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    """The policy of a document that is parsed already. Raises: MalformedPolicy."""
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise MalformedPolicy("Syntax errors in policy: a policy is an object with Statement")
    unknown = document.keys() - {"Version", "Id", "Statement"}
    if unknown:
        raise MalformedPolicy(f"Syntax errors in policy: {sorted(unknown)}; allowed are Version, Id, Statement")
    version = document.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise MalformedPolicy(f"The policy must contain a valid version string, not {version!r}")
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    return Policy(tuple(_statement(each, version=version, kind=kind) for each in statements), name)


def _statement(found: Any, *, version: str, kind: PolicyKind) -> Statement:
    if not isinstance(found, Mapping):
        raise MalformedPolicy(f"Syntax errors in policy: a statement is an object, not {found!r}")
    _check_elements(found, kind)
    try:
        conditions = read_conditions(found.get("Condition", {}))
    except MalformedCondition as error:
        raise MalformedPolicy(str(error)) from error
    return Statement(
        effect=found["Effect"],
        actions=_texts(found, "Action"),
        not_actions=_texts(found, "NotAction"),
        resources=_texts(found, "Resource"),
        not_resources=_texts(found, "NotResource"),
        principals=_principals(found, "Principal"),
        not_principals=_principals(found, "NotPrincipal"),
        conditions=conditions,
        sid=found.get("Sid"),
        has_variables=version == VERSIONS[1],
    )


def _check_elements(found: Mapping[str, Any], kind: PolicyKind) -> None:
    unknown = found.keys() - STATEMENT_ELEMENTS
    if unknown:
        raise MalformedPolicy(f"Syntax errors in policy: unknown element {', '.join(sorted(unknown))}")
    if found.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy(f"Syntax errors in policy: Effect is {found.get('Effect')!r}; allowed are Allow, Deny")
    for name, needed in _elements(kind):
        both = {name, f"Not{name}"} & found.keys()
        if len(both) == 2:
            raise MalformedPolicy(f"Syntax errors in policy: a statement has {name} or Not{name}, not both")
        if needed and not both:
            raise MalformedPolicy(f"Policy statement must contain {name.lower()}s.")
        if needed is False and both:
            raise MalformedPolicy(f"Policy document should not specify a {name.lower()}.")


def _elements(kind: PolicyKind) -> Iterator[tuple[str, bool | None]]:
    """Each element, and whether a statement needs it; None where it may have it."""
    identity = kind in (PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION)
    yield "Action", True
    yield "Resource", _RESOURCE_NEEDED.get(kind, True)
    yield "Principal", not identity


_RESOURCE_NEEDED: Final[Mapping[PolicyKind, bool | None]] = {PolicyKind.TRUST: False, PolicyKind.RESOURCE: None}


def _texts(found: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    if name not in found:
        return None
    values = found[name] if isinstance(found[name], list) else [found[name]]
    if not values or not all(isinstance(value, str) for value in values):
        raise MalformedPolicy(
            f"Syntax errors in policy: {name} is {found[name]!r}; a text or a list of them is allowed"
        )
    if name.endswith("Action") and (wrong := [value for value in values if not _names_a_service(value)]):
        raise MalformedPolicy(f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {wrong}")
    return tuple(values)


def _names_a_service(action: str) -> bool:
    return action == "*" or ":" in action


def _principals(found: Mapping[str, Any], name: str) -> Principals | None:
    if name not in found:
        return None
    value = found[name]
    if value == "*":
        return Principals(everyone=True)
    if not isinstance(value, Mapping) or not value or not value.keys() <= set(PRINCIPAL_TYPES):
        raise MalformedPolicy(f'Invalid principal in policy: {value!r}; allowed are "*" and {PRINCIPAL_TYPES}')
    by_kind = {kind: _texts(value, kind) or () for kind in value}
    return Principals(everyone="*" in by_kind.get("AWS", ()), by_kind=by_kind)


def actions_named(policy: Policy) -> Iterator[str]:
    """Every action pattern of the policy."""
    for statement in policy.statements:
        yield from statement.actions or statement.not_actions or ()


def keys_named(policy: Policy) -> Iterable[str]:
    """Every condition key of the policy, in lower case."""
    return (condition.key for statement in policy.statements for condition in statement.conditions)


@lru_cache(maxsize=4096)
def is_fixed(policy: Policy) -> bool:
    """Whether action and resource alone decide: no conditions, no variables."""
    return not any(
        statement.conditions
        or any("${" in text for text in (*(statement.resources or ()), *(statement.not_resources or ())))
        for statement in policy.statements
    )
