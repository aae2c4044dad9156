"""Delivers an event to one target of a rule: a function, a topic, a queue, a log group, a state machine, another bus.

Whether EventBridge may is asked first, in the words of the target's own policy: lambda:InvokeFunction, sns:Publish,
sqs:SendMessage, and the use of the key that a topic or a queue is encrypted with. A bus is reached in the name of the
target's role, where it has one, a state machine in no other way; log groups are not judged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.services.lambda_function import Invocation, InvocationRefused, InvocationType
from local.services.states.failures import StatesRefused

PRINCIPAL: Final = "events.amazonaws.com"
KEY_ACTIONS: Final = ("kms:GenerateDataKey", "kms:Decrypt")
GONE: Final = frozenset(
    {"NotFound", "NotFoundException", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
)
REACHED: Final = ", ".join(
    (
        *("functions (lambda)", "topics (sns)", "queues (sqs)", "log groups (logs)", "state machines (states)"),
        "event buses (events)",
    )
)

Target = Mapping[str, Any]
LogSink = Callable[[str, str, Sequence[str]], None]
PutEvent = Callable[[str, Mapping[str, Any]], None]
"""(bus's name, event's document): hands an event on to another bus."""

StartExecution = Callable[[str, str], Awaitable[None]]
"""(state machine's ARN, input) -> begins an execution. Raises: StatesRefused."""


async def _no_machines(arn: str, _input: str) -> None:
    """For a cloud without state machines."""
    raise StatesRefused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


class TargetFailed(Exception):
    """A delivery failed. `code` is the dead letter's ERROR_CODE; what cannot get better is not tried again."""

    def __init__(self, code: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.code, self.is_final = code, is_final


class MayCall(Protocol):
    """Whether a resource's own policy lets a service in, for what it does for `source_arn`."""

    def __call__(self, service: str, action: str, resource: str, *, source_arn: str) -> bool: ...


class Functions(Protocol):
    """Where functions are invoked."""

    async def invoke(self, function_name: str, payload: bytes, *, invocation_type: InvocationType) -> Invocation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who may do what, and the keys that topics and queues are encrypted with; None where there is none."""

    may_call: MayCall
    role_may: Callable[[str, str, str], str | None]
    topic_key: Callable[[str], str | None]
    queue_key: Callable[[str], str | None]

    def check(self, action: str, arn: str, *, rule_arn: str) -> None:
        """Raises: TargetFailed."""
        if not self.may_call(PRINCIPAL, action, arn, source_arn=rule_arn):
            sentence = f"{PRINCIPAL} is not authorized to perform {action} on {arn} for {rule_arn}"
            raise TargetFailed("NO_PERMISSIONS", f"{sentence}: no resource-based policy allows it", is_final=True)

    def check_key(self, key: str | None, *, rule_arn: str) -> None:
        """Raises: TargetFailed."""
        for action in KEY_ACTIONS if key else ():
            self.check(action, str(key), rule_arn=rule_arn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The targets within reach. `client(service)` is a boto3 client; its calls block and are made in threads."""

    functions: Functions
    client: Callable[[str], Any]
    log: LogSink
    judge: Judge
    endpoint_url: str
    start_execution: StartExecution = _no_machines

    async def deliver(self, target: Target, text: str, *, rule_arn: str, hand_on: PutEvent) -> None:
        """Raises: TargetFailed."""
        arn = str(target["Arn"])
        match arn.split(":")[2]:
            case "lambda":
                await self._invoke(arn, text, rule_arn)
            case "sns":
                self.judge.check("sns:Publish", arn, rule_arn=rule_arn)
                self.judge.check_key(self.judge.topic_key(arn), rule_arn=rule_arn)
                await self._call("sns", lambda sns: sns.publish(TopicArn=arn, Message=text))
            case "sqs":
                await self.send(arn, text, rule_arn=rule_arn, parameters=target.get("SqsParameters"))
            case "logs":
                self._write(arn, text)
            case "states":
                await self._start(target, text)
            case "events":
                self._hand_on(target, text, hand_on)
            case service:
                raise TargetFailed("UNSUPPORTED_TARGET", unreachable(service, arn), is_final=True)

    async def send(
        self,
        queue_arn: str,
        text: str,
        *,
        rule_arn: str,
        parameters: Mapping[str, Any] | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """A message to a queue, also a dead letter's. Raises: TargetFailed."""
        self.judge.check("sqs:SendMessage", queue_arn, rule_arn=rule_arn)
        self.judge.check_key(self.judge.queue_key(queue_arn), rule_arn=rule_arn)
        *_, account, name = queue_arn.split(":")
        message: dict[str, Any] = {"QueueUrl": f"{self.endpoint_url}/{account}/{name}", "MessageBody": text}
        if parameters:
            message["MessageGroupId"] = parameters["MessageGroupId"]
        if attributes:
            message["MessageAttributes"] = {
                key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()
            }
        await self._call("sqs", lambda sqs: sqs.send_message(**message))

    async def _invoke(self, arn: str, text: str, rule_arn: str) -> None:
        self.judge.check("lambda:InvokeFunction", arn, rule_arn=rule_arn)
        try:
            await self.functions.invoke(arn, text.encode(), invocation_type=InvocationType.EVENT)
        except InvocationRefused as refusal:
            raise TargetFailed(refusal.code, str(refusal), is_final=refusal.status in (400, 404)) from refusal

    async def _start(self, target: Target, text: str) -> None:
        arn, role = str(target["Arn"]), str(target.get("RoleArn"))
        if (refusal := self.judge.role_may(role, "states:StartExecution", arn)) is not None:
            raise TargetFailed("NO_PERMISSIONS", refusal, is_final=True)
        try:
            await self.start_execution(arn, text)
        except StatesRefused as refused:
            raise TargetFailed(refused.code, str(refused), is_final=True) from refused

    async def _call(self, service: str, call: Callable[[Any], object]) -> None:
        client = self.client(service)
        try:
            await asyncio.to_thread(call, client)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise TargetFailed(code, str(error), is_final=code in GONE) from error
        except BotoCoreError as error:
            raise TargetFailed("SDK_CLIENT_ERROR", str(error)) from error

    def _write(self, arn: str, text: str) -> None:
        group = arn.rsplit(":log-group:", maxsplit=1)[-1].removesuffix(":*")
        self.log(group, "events", [text])

    def _hand_on(self, target: Target, text: str, hand_on: PutEvent) -> None:
        arn, role = str(target["Arn"]), target.get("RoleArn")
        refusal = self.judge.role_may(str(role), "events:PutEvents", arn) if role else None
        if refusal is not None:
            raise TargetFailed("NO_PERMISSIONS", refusal, is_final=True)
        hand_on(arn.rpartition("/")[2], json.loads(text))


def unreachable(service: str, arn: str) -> str:
    """Why a target is refused."""
    return f"found the target {arn} ({service}); the local cloud's rules reach {REACHED}"


def is_within_reach(arn: str) -> bool:
    """Whether rules can reach a target at all."""
    parts = arn.split(":")
    return (len(parts) > 5 and parts[2] in ("lambda", "sns", "sqs", "logs")) or any(
        kind in arn for kind in (":event-bus/", ":stateMachine:")
    )
