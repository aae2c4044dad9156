"""Decides one question by AWS's evaluation logic for one account: pure, from a caller's policies and the resource's.

An explicit deny in any policy wins. What a resource's own policy allows to a caller needs no other permission, except
that a role (not its session) stays within its permissions boundary and its session policy. A key's and a role's
policy must allow in every case, be it by naming the account, which hands the decision to the caller's own policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from local.services.iam.patterns import Context, filled, matches_action, matches_arn
from local.services.iam.policies import Policy, PolicyKind, Principals, Statement

ANY_RESOURCE: Final = "*"


@dataclass(frozen=True, slots=True)
class Question:
    """May this be done? `resource` is an ARN, or `*` for an action that has no resource that could be named."""

    action: str
    resource: str = ANY_RESOURCE
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `arns` are all the names by which a policy may speak of it, its own first: session, then role."""

    arns: tuple[str, ...]
    account: str
    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    service: str | None = None
    """The service principal, where an AWS service asks in its own name; it has no policies."""
    context: Context = field(default_factory=dict)
    """What is known of the caller, whatever it asks."""

    @property
    def arn(self) -> str:
        return self.arns[0]


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """The policy of the resource itself. With `decides`, nobody gets in whom it does not let in: keys and roles."""

    policy: Policy
    decides: bool = False


class Verdict(Enum):
    """How it came out; the values are the words of AWS's messages."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "with an explicit deny in"
    IMPLICIT_DENY = "because no"


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission as a policy spells it: what a report of unused ones lists."""

    policy: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the kind of policy that it came from, and the grants that allowed it."""

    verdict: Verdict
    kind: PolicyKind = PolicyKind.IDENTITY
    grants: tuple[Grant, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.verdict is Verdict.ALLOWED


def decide(caller: Caller, question: Question, resource: ResourcePolicy | None = None) -> Decision:
    """Whether the caller may do it."""
    asked = Question(question.action, question.resource, {**caller.context, **question.context})
    denied = _explicit_deny(caller, asked, resource)
    if denied is not None:
        return denied
    named = Named.NOBODY if resource is None else _named(resource.policy, caller, asked)
    must_be_named = caller.service is not None or (resource is not None and resource.decides)
    if must_be_named and named is Named.NOBODY:
        return Decision(Verdict.IMPLICIT_DENY, PolicyKind.RESOURCE)
    if caller.service is not None or named is Named.SESSION:
        return Decision(Verdict.ALLOWED, PolicyKind.RESOURCE)
    return _by_own_policies(caller, asked, needs_identity=named is not Named.CALLER)


def _by_own_policies(caller: Caller, asked: Question, *, needs_identity: bool) -> Decision:
    grants = tuple(grant for policy in caller.identity for grant in _grants(policy, asked))
    missing = None
    if needs_identity and not grants:
        missing = PolicyKind.IDENTITY
    elif caller.boundary is not None and not _allows(caller.boundary, asked):
        missing = PolicyKind.BOUNDARY
    elif caller.session is not None and not any(_allows(policy, asked) for policy in caller.session):
        missing = PolicyKind.SESSION
    if missing is not None:
        return Decision(Verdict.IMPLICIT_DENY, missing)
    return Decision(Verdict.ALLOWED, PolicyKind.IDENTITY if grants else PolicyKind.RESOURCE, grants)


def _explicit_deny(caller: Caller, asked: Question, resource: ResourcePolicy | None) -> Decision | None:
    for kind, policies in _policies_of(caller):
        if any(_denies(policy, asked) for policy in policies):
            return Decision(Verdict.EXPLICIT_DENY, kind)
    if resource is None:
        return None
    denying = (statement for statement in resource.policy.statements if statement.effect == "Deny")
    if any(applies(statement, asked) and _speaks_of(statement, caller) is not Named.NOBODY for statement in denying):
        return Decision(Verdict.EXPLICIT_DENY, PolicyKind.RESOURCE)
    return None


def _policies_of(caller: Caller) -> Iterator[tuple[PolicyKind, Iterable[Policy]]]:
    yield PolicyKind.IDENTITY, caller.identity
    yield PolicyKind.BOUNDARY, () if caller.boundary is None else (caller.boundary,)
    yield PolicyKind.SESSION, caller.session or ()


def _denies(policy: Policy, asked: Question) -> bool:
    return any(statement.effect == "Deny" and applies(statement, asked) for statement in policy.statements)


def _allows(policy: Policy, asked: Question) -> bool:
    return any(statement.effect == "Allow" and applies(statement, asked) for statement in policy.statements)


def _grants(policy: Policy, asked: Question) -> Iterator[Grant]:
    """The permissions of a policy that allow it, each as it is written."""
    for statement in policy.statements:
        if statement.effect == "Allow" and applies(statement, asked):
            for action in _matching_actions(statement, asked.action):
                for resource in _matching_resources(statement, asked):
                    yield Grant(policy.name, action, resource)


def applies(statement: Statement, asked: Question) -> bool:
    """Whether action, resource and conditions fit; whom the statement is about is another question."""
    return (
        any(True for _ in _matching_actions(statement, asked.action))
        and any(True for _ in _matching_resources(statement, asked))
        and all(each.holds(asked.context, has_variables=statement.has_variables) for each in statement.conditions)
    )


def _matching_actions(statement: Statement, action: str) -> Iterator[str]:
    if statement.not_actions is not None:
        if not any(matches_action(pattern, action) for pattern in statement.not_actions):
            yield f"all but {', '.join(statement.not_actions)}"
        return
    yield from (pattern for pattern in statement.actions or () if matches_action(pattern, action))


def _matching_resources(statement: Statement, asked: Question) -> Iterator[str]:
    if statement.not_resources is not None:
        if not any(_is_resource(pattern, statement, asked) for pattern in statement.not_resources):
            yield f"all but {', '.join(statement.not_resources)}"
        return
    if statement.resources is None:  # a trust policy speaks of its own role
        yield ANY_RESOURCE
        return
    yield from (pattern for pattern in statement.resources if _is_resource(pattern, statement, asked))


def _is_resource(pattern: str, statement: Statement, asked: Question) -> bool:
    meant = filled(pattern, asked.context) if statement.has_variables else pattern
    return meant is not None and matches_arn(meant, asked.resource)


class Named(Enum):
    """How closely a resource's policy names the caller."""

    NOBODY = 0
    ACCOUNT = 1
    """By its account: the caller's own policies decide."""
    CALLER = 2
    """As itself, or as everyone."""
    SESSION = 3
    """As this session or user: not even a boundary or a session policy is needed to allow it."""


def _named(policy: Policy, caller: Caller, asked: Question) -> Named:
    """The closest naming among the statements that allow it."""
    allowing = (each for each in policy.statements if each.effect == "Allow" and applies(each, asked))
    return max((_speaks_of(each, caller) for each in allowing), key=lambda each: each.value, default=Named.NOBODY)


def _speaks_of(statement: Statement, caller: Caller) -> Named:
    if statement.not_principals is not None:
        return Named.NOBODY if _closeness(statement.not_principals, caller) is not Named.NOBODY else Named.CALLER
    if statement.principals is None:
        return Named.CALLER
    return _closeness(statement.principals, caller)


def _closeness(principals: Principals, caller: Caller) -> Named:
    if caller.service is not None:
        services = principals.by_kind.get("Service", ())
        return Named.CALLER if principals.everyone or caller.service in services else Named.NOBODY
    names = principals.by_kind.get("AWS", ())
    if caller.arn in names:
        return Named.SESSION
    if principals.everyone or any(arn in names for arn in caller.arns):
        return Named.CALLER
    accounts = (caller.account, f"arn:aws:iam::{caller.account}:root")
    return Named.ACCOUNT if any(account in names for account in accounts) else Named.NOBODY


def without_grant(policies: Sequence[Policy], grant: Grant) -> tuple[Policy, ...]:
    """The policies as they would be without one permission: one action of one resource of the policy it names."""
    return tuple(
        Policy(tuple(_reduced(policy.statements, grant)), policy.name) if policy.name == grant.policy else policy
        for policy in policies
    )


def _reduced(statements: Iterable[Statement], grant: Grant) -> Iterator[Statement]:
    for statement in statements:
        if statement.effect != "Allow" or grant.action not in (statement.actions or ()):
            yield statement
            continue
        resources = statement.resources or ()
        if grant.resource not in resources:
            yield statement
            continue
        others = tuple(action for action in statement.actions or () if action != grant.action)
        left = tuple(resource for resource in resources if resource != grant.resource)
        if others:
            yield _with(statement, actions=others, resources=resources)
        if left:
            yield _with(statement, actions=(grant.action,), resources=left)


def _with(statement: Statement, *, actions: tuple[str, ...], resources: tuple[str, ...]) -> Statement:
    return Statement(
        effect=statement.effect,
        actions=actions,
        resources=resources,
        conditions=statement.conditions,
        sid=statement.sid,
        has_variables=statement.has_variables,
    )


def grants_of(policies: Iterable[Policy]) -> Iterator[Grant]:
    """Every permission that policies spell out: each action of each Allow, on each of its resources."""
    for policy in policies:
        for statement in policy.statements:
            if statement.effect == "Allow":
                for action in statement.actions or (f"all but {', '.join(statement.not_actions or ())}",):
                    for resource in statement.resources or (f"all but {', '.join(statement.not_resources or ())}",):
                        yield Grant(policy.name, action, resource)


def known_context(*parts: Mapping[str, str | tuple[str, ...] | None]) -> Context:
    """A context of what is known: keys in lower case, and none without a value."""
    return {key.lower(): value for part in parts for key, value in part.items() if value is not None}
