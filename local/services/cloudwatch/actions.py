"""Carries out what alarms ask for: a message to a topic, an event for a function, and an event on the default bus.

One after the other, in the order of the transitions, in a thread: the services that are called may need the event
loop. What the topic's or the function's own policy does not allow fails, and the alarm's history says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.deploy.handlers import Clients
from local.services.cloudwatch.evaluator import Transition
from local.services.cloudwatch.history import AlarmHistory
from local.services.cloudwatch.messages import AlarmMessages

log = logging.getLogger(__name__)

TOPICS: Final = "cloudwatch.amazonaws.com"
FUNCTIONS: Final = "lambda.alarms.cloudwatch.amazonaws.com"
"""Who calls, by what a resource's policy has to allow."""

PutEvent = Callable[[Mapping[str, Any]], None]
"""Puts an event on the default bus, in the event loop."""


class MayCall(Protocol):
    """Whether a resource's policy lets a service in."""

    def __call__(self, service: str, action: str, resource: str, *, source_arn: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """What actions reach. `topic_key` is the key that a topic is encrypted with, if any."""

    clients: Clients
    may_call: MayCall
    topic_key: Callable[[str], str | None]
    put_event: PutEvent


class ActionFailed(Exception):
    """An action could not be carried out; the text is for the history."""


class AlarmActions:
    """The queue of transitions whose actions are to be carried out."""

    def __init__(self, *, reach: Reach, messages: AlarmMessages, history: AlarmHistory) -> None:
        self._reach, self._messages, self._history = reach, messages, history
        self._waiting: deque[Transition] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """From now on what is announced is carried out at once, in the event loop that runs."""
        self._loop = asyncio.get_running_loop()

    def announce(self, transition: Transition) -> None:
        """Take a transition, in any thread."""
        self._waiting.append(transition)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.begin)

    def begin(self) -> None:
        """Start to carry out what waits, in the event loop."""
        if self._waiting and (self._worker is None or self._worker.done()):
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def settle(self) -> None:
        """Wait until nothing waits any more."""
        self.begin()
        while self._worker is not None and not self._worker.done():
            await asyncio.shield(self._worker)

    def carry_out(self, transition: Transition) -> None:
        """One transition, in the caller's thread."""
        after = transition.after
        if not transition.acts or not after.actions_enabled:
            return
        for action in after.actions(after.standing.state):
            try:
                self._act(action, transition)
            except ActionFailed as error:
                log.warning("alarm %s: %s failed: %s", after.name, action, error)
                self._history.acted(after, action, at=after.standing.updated_at, error=str(error))
            else:
                self._history.acted(after, action, at=after.standing.updated_at)

    async def _work(self) -> None:
        while self._waiting:
            transition = self._waiting.popleft()
            if transition.changed:
                self._reach.put_event(self._messages.event(transition))
            try:
                await asyncio.to_thread(self.carry_out, transition)
            except Exception:
                log.exception("the actions of alarm %s could not be taken", transition.after.name)

    def _act(self, action: str, transition: Transition) -> None:
        try:
            if action.split(":")[2] == "sns":
                self._publish(action, transition)
            else:
                self._invoke(action, transition)
        except (BotoCoreError, ClientError) as error:
            raise ActionFailed(str(error)) from error

    def _publish(self, topic: str, transition: Transition) -> None:
        arn = transition.after.arn
        if not self._reach.may_call(TOPICS, "sns:Publish", topic, source_arn=arn):
            raise ActionFailed(f"CloudWatch Alarms is not authorized to perform: SNS:Publish on resource: {topic}")
        key = self._reach.topic_key(topic)
        uses = ("kms:Decrypt", "kms:GenerateDataKey") if key else ()
        if not all(self._reach.may_call(TOPICS, use, str(key), source_arn=arn) for use in uses):
            raise ActionFailed("CloudWatch Alarms does not have authorization to access the SNS topic encryption key.")
        self._reach.clients("sns").publish(
            TopicArn=topic, Subject=self._messages.subject(transition), Message=self._messages.message(transition)
        )

    def _invoke(self, function: str, transition: Transition) -> None:
        if not self._reach.may_call(FUNCTIONS, "lambda:InvokeFunction", function, source_arn=transition.after.arn):
            raise ActionFailed(
                f"CloudWatch Alarms is not authorized to perform: lambda:InvokeFunction on resource: {function} "
                "because no resource-based policy allows the lambda:InvokeFunction action"
            )
        payload = json.dumps(self._messages.invocation(transition))
        self._reach.clients("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)
