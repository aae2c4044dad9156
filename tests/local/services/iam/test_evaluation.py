"""One question, one account: AWS's documented cases, and any policies against a straightforward reference."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.iam.evaluation import (
    Caller,
    Decision,
    Grant,
    Question,
    ResourcePolicy,
    Verdict,
    decide,
    grants_of,
    without_grant,
)
from local.services.iam.policies import MalformedPolicy, Policy, PolicyKind, policy_of, read_policy

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app/reader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/me"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
OBJECT = "arn:aws:s3:::bucket/folder/object"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"


def allow(*actions: str, on: str | list[str] = "*", **elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **elements}


def deny(*actions: str, on: str | list[str] = "*", **elements: Any) -> dict[str, Any]:
    return {**allow(*actions, on=on, **elements), "Effect": "Deny"}


def document(*statements: dict[str, Any], name: str = "policy", kind: PolicyKind = PolicyKind.IDENTITY) -> Policy:
    return policy_of({"Version": "2012-10-17", "Statement": list(statements)}, name=name, kind=kind)


def resource_policy(*statements: dict[str, Any], decides: bool = False) -> ResourcePolicy:
    return ResourcePolicy(document(*statements, kind=PolicyKind.RESOURCE), decides=decides)


def role(*statements: dict[str, Any], **limits: Any) -> Caller:
    return Caller(arns=(SESSION, ROLE), account=ACCOUNT, identity=(document(*statements),), **limits)


def to(*names: str, kind: str = "AWS") -> dict[str, Any]:
    return {"Principal": {kind: list(names)}}


GET = Question("s3:GetObject", OBJECT)
ALLOWED_BY_IDENTITY = (Verdict.ALLOWED, PolicyKind.IDENTITY)
ALLOWED_BY_RESOURCE = (Verdict.ALLOWED, PolicyKind.RESOURCE)


def outcome(decision: Decision) -> tuple[Verdict, PolicyKind]:
    return decision.verdict, decision.kind


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow("s3:GetObject", on=OBJECT), True),
        (allow("S3:getobject", on=OBJECT), True),
        (allow("s3:Get*", on=OBJECT), True),
        (allow("s3:Get?bject", on=OBJECT), True),
        (allow("*", on="*"), True),
        (allow("s3:GetObject", on="arn:aws:s3:::bucket/*"), True),
        (allow("s3:GetObject", on="arn:*:s3:::buck?t/folder/*"), True),
        (allow("s3:GetObject", on="arn:aws:s3:::Bucket/*"), False),
        (allow("s3:GetObject", on="arn:aws:s3:::bucket"), False),
        (allow("s3:GetObjectAcl", on="*"), False),
        (allow("s3:GetObject", on="arn:aws:s3"), True),
        (allow("s3:GetObject", on="arn:aws:sqs"), False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}, True),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::bucket/*"}, False),
    ],
    ids=json.dumps,
)
def test_an_identity_policy_allows_what_its_patterns_match(statement: dict[str, Any], allowed: bool) -> None:  # noqa: FBT001
    assert decide(role(statement), GET).allowed is allowed


def test_nothing_is_allowed_by_default() -> None:
    assert outcome(decide(role(), GET)) == (Verdict.IMPLICIT_DENY, PolicyKind.IDENTITY)


BOUNDARY = document(allow("sqs:*"))
IDENTITY_ALLOWS = allow("s3:GetObject")
CASES: list[tuple[str, Caller, ResourcePolicy | None, tuple[Verdict, PolicyKind]]] = [
    (
        "an explicit deny overrides an allow",
        role(IDENTITY_ALLOWS, deny("s3:*")),
        None,
        (Verdict.EXPLICIT_DENY, PolicyKind.IDENTITY),
    ),
    (
        "a boundary does not allow by itself",
        role(boundary=document(IDENTITY_ALLOWS)),
        None,
        (Verdict.IMPLICIT_DENY, PolicyKind.IDENTITY),
    ),
    ("a boundary limits", role(IDENTITY_ALLOWS, boundary=BOUNDARY), None, (Verdict.IMPLICIT_DENY, PolicyKind.BOUNDARY)),
    (
        "a boundary denies",
        role(IDENTITY_ALLOWS, boundary=document(deny("s3:*"))),
        None,
        (Verdict.EXPLICIT_DENY, PolicyKind.BOUNDARY),
    ),
    (
        "a session policy limits",
        role(IDENTITY_ALLOWS, session=(BOUNDARY,)),
        None,
        (Verdict.IMPLICIT_DENY, PolicyKind.SESSION),
    ),
    ("both limits allow", role(IDENTITY_ALLOWS, session=(document(allow("s3:*")),)), None, ALLOWED_BY_IDENTITY),
    (
        "a resource's policy is enough in one account",
        role(),
        resource_policy(allow("s3:GetObject", on=OBJECT, **to(ROLE))),
        ALLOWED_BY_RESOURCE,
    ),
    (
        "a role named by a resource stays within its boundary",
        role(boundary=BOUNDARY),
        resource_policy(allow("s3:GetObject", **to(ROLE))),
        (Verdict.IMPLICIT_DENY, PolicyKind.BOUNDARY),
    ),
    (
        "a session named by a resource does not",
        role(boundary=BOUNDARY),
        resource_policy(allow("s3:GetObject", **to(SESSION))),
        ALLOWED_BY_RESOURCE,
    ),
    (
        "a user named by a resource does not",
        Caller(arns=(f"arn:aws:iam::{ACCOUNT}:user/u",), account=ACCOUNT, boundary=BOUNDARY),
        resource_policy(allow("s3:GetObject", **to(f"arn:aws:iam::{ACCOUNT}:user/u"))),
        ALLOWED_BY_RESOURCE,
    ),
    (
        "a bucket that names the account leaves it to the caller's policies",
        role(),
        resource_policy(allow("s3:GetObject", **to(ROOT))),
        (Verdict.IMPLICIT_DENY, PolicyKind.IDENTITY),
    ),
    ("everyone is everyone", role(), resource_policy(allow("s3:GetObject", Principal="*")), ALLOWED_BY_RESOURCE),
    (
        "a resource's deny counts",
        role(IDENTITY_ALLOWS),
        resource_policy(deny("s3:*", **to("*"))),
        (Verdict.EXPLICIT_DENY, PolicyKind.RESOURCE),
    ),
    (
        "a deny of somebody else does not",
        role(IDENTITY_ALLOWS),
        resource_policy(deny("s3:*", **to(f"{ROLE}x"))),
        ALLOWED_BY_IDENTITY,
    ),
    (
        "a deny of all but one",
        role(IDENTITY_ALLOWS),
        resource_policy(deny("s3:*", NotPrincipal={"AWS": f"{ROLE}x"})),
        (Verdict.EXPLICIT_DENY, PolicyKind.RESOURCE),
    ),
    (
        "a deny of all but the caller",
        role(IDENTITY_ALLOWS),
        resource_policy(deny("s3:*", NotPrincipal={"AWS": ROLE})),
        ALLOWED_BY_IDENTITY,
    ),
    (
        "TLS is not demanded of those who use it",
        role(IDENTITY_ALLOWS, context={"aws:securetransport": "true"}),
        resource_policy(deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}}, **to("*"))),
        ALLOWED_BY_IDENTITY,
    ),
    (
        "a key that does not even name the account lets nobody in",
        role(allow("*")),
        resource_policy(allow("s3:*", **to(f"{ROLE}x")), decides=True),
        (Verdict.IMPLICIT_DENY, PolicyKind.RESOURCE),
    ),
    (
        "a key that names the account hands over to the caller's policies",
        role(IDENTITY_ALLOWS),
        resource_policy(allow("s3:*", **to(ROOT)), decides=True),
        ALLOWED_BY_IDENTITY,
    ),
    (
        "which have to allow it then",
        role(),
        resource_policy(allow("s3:*", **to(ROOT)), decides=True),
        (Verdict.IMPLICIT_DENY, PolicyKind.IDENTITY),
    ),
    (
        "a key that names the role needs no more",
        role(),
        resource_policy(allow("s3:*", **to(ROLE)), decides=True),
        ALLOWED_BY_RESOURCE,
    ),
    (
        "a service has a resource's policy only",
        Caller(arns=("events.amazonaws.com",), account=ACCOUNT, service="events.amazonaws.com"),
        resource_policy(allow("s3:GetObject", **to("events.amazonaws.com", kind="Service"))),
        ALLOWED_BY_RESOURCE,
    ),
    (
        "another service is not meant",
        Caller(arns=("sns.amazonaws.com",), account=ACCOUNT, service="sns.amazonaws.com"),
        resource_policy(allow("s3:GetObject", **to("events.amazonaws.com", kind="Service"))),
        (Verdict.IMPLICIT_DENY, PolicyKind.RESOURCE),
    ),
    (
        "an account is not a service",
        Caller(arns=("sns.amazonaws.com",), account=ACCOUNT, service="sns.amazonaws.com"),
        resource_policy(allow("s3:GetObject", **to(ROOT))),
        (Verdict.IMPLICIT_DENY, PolicyKind.RESOURCE),
    ),
]


@pytest.mark.parametrize(
    ("caller", "resource", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_policies_of_all_kinds_come_together_as_on_aws(
    caller: Caller, resource: ResourcePolicy | None, expected: tuple[Verdict, PolicyKind]
) -> None:
    assert outcome(decide(caller, GET, resource)) == expected


def test_a_variable_stands_for_the_caller() -> None:
    caller = role(allow("s3:GetObject", on="arn:aws:s3:::home/${aws:username}/*"), context={"aws:username": "ann"})

    assert decide(caller, Question("s3:GetObject", "arn:aws:s3:::home/ann/x")).allowed
    assert not decide(caller, Question("s3:GetObject", "arn:aws:s3:::home/bob/x")).allowed


def test_a_variable_without_a_value_matches_nothing() -> None:
    caller = role(allow("s3:GetObject", on="arn:aws:s3:::home/${aws:username}/*"))

    assert not decide(caller, Question("s3:GetObject", "arn:aws:s3:::home//x")).allowed


def test_an_asterisk_in_a_variables_value_is_only_an_asterisk() -> None:
    caller = role(allow("s3:GetObject", on="arn:aws:s3:::home/${aws:username}/*"), context={"aws:username": "*"})

    assert not decide(caller, Question("s3:GetObject", "arn:aws:s3:::home/bob/x")).allowed


def test_the_old_version_of_the_language_has_no_variables() -> None:
    old = policy_of({"Version": "2008-10-17", "Statement": allow("s3:*", on="arn:aws:s3:::${aws:username}")})
    caller = Caller(arns=(SESSION, ROLE), account=ACCOUNT, identity=(old,), context={"aws:username": "ann"})

    assert decide(caller, Question("s3:GetObject", "arn:aws:s3:::${aws:username}")).allowed
    assert not decide(caller, Question("s3:GetObject", "arn:aws:s3:::ann")).allowed


def test_a_decision_names_the_grants_that_made_it() -> None:
    caller = role(allow("s3:Get*", "s3:Put*", on=["arn:aws:s3:::bucket/*", "arn:aws:s3:::other/*"]))

    assert decide(caller, GET).grants == (Grant("policy", "s3:Get*", "arn:aws:s3:::bucket/*"),)


MALFORMED: list[tuple[Any, str]] = [
    ("{", "valid JSON"),
    ({"Statement": [{"Effect": "Allow", "Action": "s3:*"}]}, "must contain resources"),
    ({"Statement": [{"Effect": "Permit", "Action": "s3:*", "Resource": "*"}]}, "Permit"),
    ({"Statement": [{"Effect": "Allow", "Action": "GetObject", "Resource": "*"}]}, "vendor"),
    ({"Statement": [{**allow("s3:*"), "Principal": "*"}]}, "should not specify a principal"),
    ({"Statement": [{**allow("s3:*"), "NotAction": "s3:*"}]}, "not both"),
    ({"Statement": [{**allow("s3:*"), "Extra": "x"}]}, "Extra"),
    ({"Version": "2020-01-01", "Statement": []}, "version"),
    ({"Statement": [allow("s3:*", Condition={"StringEqual": {"aws:username": "a"}})]}, "StringEqual"),
    ({"Statement": [allow("s3:*", Condition={"ForSomeValues:StringLike": {"aws:username": "a"}})]}, "ForSomeValues"),
    ({"Statement": [allow("s3:*", Condition={"NumericLessThan": {"s3:max-keys": "ten"}})]}, "ten"),
    ({"Statement": [allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0"}})]}, "10.0.0"),
    ({"Statement": [allow("s3:*", Condition={"Null": {"aws:username": "maybe"}})]}, "maybe"),
    ({"Statement": [allow("s3:*", Condition={"DateLessThan": {"aws:CurrentTime": "soon"}})]}, "soon"),
    ({"Statement": [allow("s3:*", Condition={"Bool": {"aws:SecureTransport": "yes"}})]}, "yes"),
]


@pytest.mark.parametrize(("found", "named"), MALFORMED, ids=[named for _, named in MALFORMED])
def test_what_is_not_a_policy_is_refused_by_name(found: Any, named: str) -> None:
    with pytest.raises(MalformedPolicy, match=re.escape(named)):
        read_policy(found if isinstance(found, str) else json.dumps(found))


names = st.sampled_from(["a", "b", "ab", "abc", ""])
patterns = st.text("ab*?", max_size=4)
statements = st.builds(
    lambda effect, actions, resources, negated: {
        "Effect": effect,
        ("NotAction" if negated[0] else "Action"): [f"s:{each}" for each in actions],
        ("NotResource" if negated[1] else "Resource"): [f"arn:aws:s:::{each}" for each in resources],
    },
    st.sampled_from(["Allow", "Deny"]),
    st.lists(patterns, min_size=1, max_size=2),
    st.lists(patterns, min_size=1, max_size=2),
    st.tuples(st.booleans(), st.booleans()),
)


def like(pattern: str, text: str) -> bool:
    """A pattern by recursion, as its definition goes."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return like(pattern[1:], text) or (bool(text) and like(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])


def fits(statement: dict[str, Any], action: str, resource: str) -> bool:
    def one(name: str, text: str) -> bool:
        if name in statement:
            return any(like(pattern, text) for pattern in statement[name])
        return not any(like(pattern, text) for pattern in statement[f"Not{name}"])

    return one("Action", action) and one("Resource", resource)


@given(
    found=st.lists(statements, max_size=4),
    limit=st.none() | st.lists(statements, max_size=2),
    action=names,
    resource=names,
)
def test_any_policies_decide_as_their_definition_says(
    found: list[dict[str, Any]], limit: list[dict[str, Any]] | None, action: str, resource: str
) -> None:
    question = Question(f"s:{action}", f"arn:aws:s:::{resource}")
    caller = role(*found, boundary=None if limit is None else document(*limit))

    decision = decide(caller, question)

    effects = {each["Effect"] for each in found if fits(each, question.action, question.resource)}
    limits = {each["Effect"] for each in limit or () if fits(each, question.action, question.resource)}
    denied = "Deny" in effects | limits
    assert decision.allowed == (not denied and "Allow" in effects and (limit is None or "Allow" in limits))
    assert (decision.verdict is Verdict.EXPLICIT_DENY) == denied


@given(found=st.lists(statements, min_size=1, max_size=3), action=names, resource=names)
def test_without_all_its_grants_nothing_is_allowed(found: list[dict[str, Any]], action: str, resource: str) -> None:
    plain = [each for each in found if "Action" in each and "Resource" in each]
    policies: tuple[Policy, ...] = (document(*plain),)

    for grant in list(grants_of(policies)):
        policies = without_grant(policies, grant)

    assert list(grants_of(policies)) == []


def test_one_grant_is_taken_away_and_no_other() -> None:
    policies = (document(allow("s3:GetObject", "s3:PutObject", on=["arn:aws:s3:::a", "arn:aws:s3:::b"])),)
    grants = set(grants_of(policies))

    left = without_grant(policies, Grant("policy", "s3:GetObject", "arn:aws:s3:::a"))

    assert set(grants_of(left)) == grants - {Grant("policy", "s3:GetObject", "arn:aws:s3:::a")}
