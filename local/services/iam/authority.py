"""Answers who may do what in this cloud: the policies of callers and resources, put to the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Protocol

from local.services.iam.callers import Callers
from local.services.iam.context import surroundings, unknown_keys
from local.services.iam.denials import sentence
from local.services.iam.evaluation import (
    Caller,
    Decision,
    Question,
    ResourcePolicy,
    decide,
)
from local.services.iam.moto_identities import MotoIdentities
from local.services.iam.patterns import Context
from local.services.iam.policies import Policy, is_fixed, keys_named
from local.services.iam.resources import Place
from local.services.iam.sessions import Clock
from model_packages.errors import OperatorError

DECISIONS_KEPT: Final = 4096
PLATFORM_SESSION: Final = "flyball"
GROUP_ACTIONS: Final = frozenset({"logs:CreateLogGroup", "logs:DescribeLogStreams"})

Observer = Callable[[Caller, Question, Decision], None]
"""Told of every question and its answer."""


class Resources(Protocol):
    """Where the resources' own policies are found, and the keys of buckets and objects."""

    def policy_of(self, action: str, arn: str) -> ResourcePolicy | None: ...
    def bucket_key(self, bucket: str) -> str | None: ...
    def object_key(self, bucket: str, key: str) -> str | None: ...


class UnsupportedPolicy(OperatorError):
    """A policy that decides here has a condition key of which the local cloud knows nothing."""


@dataclass(frozen=True, slots=True)
class Denial:
    """The first question that was answered with no."""

    caller: Caller
    question: Question
    decision: Decision

    @property
    def message(self) -> str:
        """In AWS's words."""
        return sentence(self.caller, self.question, self.decision)


class Authority:
    """Decides for one account and region. Calls may come from any thread."""

    def __init__(
        self,
        *,
        place: Place,
        identities: MotoIdentities,
        callers: Callers,
        resources: Resources,
        clock: Clock,
    ) -> None:
        self._place, self._clock = place, clock
        self._identities, self._callers, self._resources = identities, callers, resources
        self._observers: list[Observer] = []
        self._decided: dict[object, Decision] = {}

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every question from now on."""
        self._observers.append(observer)

    def authorize(
        self,
        role_arn: str,
        action: str,
        resource: str,
        context: Context | None = None,
        *,
        session_name: str = PLATFORM_SESSION,
    ) -> Decision:
        """Whether the platform may do it in the role's name."""
        caller = self._callers.of_role(role_arn, session_name=session_name).caller
        return self._decide(caller, Question(action, _as_compared(action, resource), context or {}))

    def may(self, role_arn: str, action: str, resource: str, context: Context | None = None) -> str | None:
        """AWS's sentence on why the role may not do it, or None where it may."""
        caller = self._callers.of_role(role_arn, session_name=PLATFORM_SESSION).caller
        asked = Question(action, _as_compared(action, resource), context or {})
        questions = [asked, *self._use_of_keys(action, resource)]
        denial = self.first_denial(caller, questions)
        return None if denial is None else denial.message

    def may_log(self, role_arn: str, group: str) -> bool:
        """Whether a role may write lines into streams of a log group, which it has to make first."""
        arn = f"arn:aws:logs:{self._place.region}:{self._place.account}:log-group:{group}:log-stream:any"
        return all(
            self.authorize(role_arn, action, arn).allowed for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        )

    def may_be_assumed(self, role_arn: str, service: str) -> bool:
        """Whether a role trusts an AWS service."""
        caller = self._callers.of_service(service, source_arn=role_arn, source_account=self._place.account)
        return self._decide(caller, Question("sts:AssumeRole", role_arn)).allowed

    def may_call(self, service: str, action: str, resource: str, *, source_arn: str) -> bool:
        """Whether a resource's own policy lets an AWS service in, for what it does for `source_arn`."""
        caller = self._callers.of_service(service, source_arn=source_arn, source_account=self._place.account)
        return self._decide(caller, Question(action, resource)).allowed

    def first_denial(self, caller: Caller, questions: Iterable[Question]) -> Denial | None:
        """None where every question is answered with yes.

        Raises: UnsupportedPolicy.
        """
        for question in questions:
            decision = self._decide(caller, question)
            if not decision.allowed:
                return Denial(caller, question, decision)
        return None

    def _use_of_keys(self, action: str, resource: str) -> list[Question]:
        """Of the key under which an object is, or will be."""
        bucket, _, name = resource.removeprefix("arn:aws:s3:::").partition("/")
        if action == "s3:GetObject":
            key, use = self._resources.object_key(bucket, name), "kms:Decrypt"
        elif action == "s3:PutObject":
            key, use = self._resources.bucket_key(bucket), "kms:GenerateDataKey"
        else:
            return []
        context = {"kms:viaservice": f"s3.{self._place.region}.amazonaws.com", "kms:calleraccount": self._place.account}
        return [] if key is None else [Question(use, key, context)]

    def documents(self) -> dict[str, dict[str, Any]]:
        """The policies of every role: by the role's ARN, and by their names."""
        return {role.arn: self._identities.documents_of(role) for role in self._identities.roles()}

    def _decide(self, caller: Caller, question: Question) -> Decision:
        resource = self._resources.policy_of(question.action, question.resource)
        _check_keys(caller, resource)
        around = surroundings(account=self._place.account, region=self._place.region, now=self._clock.now())
        asked = replace(question, context={**around, **question.context})
        decision = self._remembered(caller, asked, resource)
        for observer in self._observers:
            observer(caller, asked, decision)
        return decision

    def _remembered(self, caller: Caller, asked: Question, resource: ResourcePolicy | None) -> Decision:
        """The decision, kept where nothing but action and resource can change it: no conditions, no variables."""
        policies = (*caller.identity, *filter(None, (caller.boundary,)), *(caller.session or ()))
        if resource is not None or not all(is_fixed(policy) for policy in policies):
            return decide(caller, asked, resource)
        key = (caller.arns, caller.identity, caller.boundary, caller.session, asked.action, asked.resource)
        if key not in self._decided:
            if len(self._decided) >= DECISIONS_KEPT:
                self._decided.clear()
            self._decided[key] = decide(caller, asked)
        return self._decided[key]


def _as_compared(action: str, resource: str) -> str:
    """CloudWatch Logs compares a group as the prefix of its streams."""
    if action in GROUP_ACTIONS and ":log-stream:" not in resource:
        return f"{resource.removesuffix(':*')}:log-stream:"
    return resource


@lru_cache(maxsize=4096)
def _unknown_keys(policy: Policy) -> tuple[str, ...]:
    return tuple(unknown_keys(keys_named(policy)))


def _check_keys(caller: Caller, resource: ResourcePolicy | None) -> None:
    """Refuse by name what cannot be decided. The policies of AWS itself speak of much that does not exist here."""
    own = [policy for policy in caller.identity if not policy.name.startswith("arn:aws:iam::aws:")]
    policies = [*own, *([resource.policy] if resource else []), *([caller.boundary] if caller.boundary else [])]
    for policy in policies:
        unknown = _unknown_keys(policy)
        if unknown:
            raise UnsupportedPolicy(
                f"{policy.name}: the local cloud knows no value of the condition key {', '.join(unknown)}; "
                "docs/decisions/permissions.md lists those that it knows"
            )
