"""CloudFormation's API on a port of its own over a fake cloud, and a boto3 client of it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError

from local.api_calls import ApiRequest
from local.api_errors import ApiResponse
from local.client import aws_client
from local.clock import InterruptibleClock
from local.cloud_port import Answers, CloudPort
from local.deploy.documents import Json
from local.deploy.handlers import Registry
from local.deploy.stack_records import DocumentStackStore
from local.documents import Documents, InMemoryDocuments
from local.services.cloudformation.api import CloudFormationApi
from local.services.cloudformation.change_sets import ChangeSets
from local.services.cloudformation.events import EventLog
from local.services.cloudformation.operations import StackOperations, StackRecords
from tests.local.deploy.doubles import THING, DeafReceiver, FakeCloud, ThingHandler

DEADLINE_SECONDS = 20.0
UNDER_WAY = "_IN_PROGRESS"


@dataclass
class FakeServices:
    """The services that a deployment may call: things, objects in S3, parameters in SSM."""

    things: FakeCloud = field(default_factory=FakeCloud)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    def clients(self, service: str) -> Any:
        return self.things if service == "fake" else self

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 - boto3's
        if (Bucket, Key) not in self.objects:
            raise ClientError(
                {"Error": {"Code": "NoSuchKey", "Message": "The specified key does not exist."}}, "GetObject"
            )
        return {"Body": BytesIO(self.objects[Bucket, Key])}

    def get_parameter(self, *, Name: str, **_options: bool) -> Any:  # noqa: N803 - boto3's
        if Name not in self.parameters:
            raise ClientError({"Error": {"Code": "ParameterNotFound", "Message": ""}}, "GetParameter")
        return {"Parameter": {"Type": "String", "Value": self.parameters[Name]}}


@dataclass
class Bench:
    """A running API. `records` are the documents that outlive it."""

    client: Any
    services: FakeServices
    operations: StackOperations
    roles: list[str | None]

    def template(self, **resources: Json) -> str:
        return json.dumps({"Resources": resources})

    def change_set(self, body: str, *, stack: str = "stack", name: str = "changes", **arguments: Any) -> dict[str, Any]:
        """Creates a change set and waits until it is settled."""
        exists = self.find(stack) is not None and self.status(stack) != "REVIEW_IN_PROGRESS"
        if exists:
            self.client.delete_change_set(StackName=stack, ChangeSetName=name)
        self.client.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="UPDATE" if exists else "CREATE",
            TemplateBody=body,
            **arguments,
        )
        return self.settled(lambda: self.client.describe_change_set(StackName=stack, ChangeSetName=name), "Status")

    def execute(self, *, stack: str = "stack", name: str = "changes", **arguments: Any) -> str:
        """Executes a change set and waits for the end; the stack's status."""
        self.client.execute_change_set(StackName=stack, ChangeSetName=name, **arguments)
        return self.rests(stack)

    def deploy(self, body: str, *, stack: str = "stack", **arguments: Any) -> str:
        """Both, as `cdk deploy` does."""
        described = self.change_set(body, stack=stack, **arguments)
        assert described["Status"] == "CREATE_COMPLETE", described.get("StatusReason")
        return self.execute(stack=stack)

    def rests(self, stack: str = "stack") -> str:
        """Waits until no operation is under way; the status."""

        def described() -> dict[str, Any]:
            found: dict[str, Any] = self.client.describe_stacks(StackName=stack)["Stacks"][0]
            return found

        return str(self.settled(described, "StackStatus")["StackStatus"])

    def settled(self, describe: Callable[[], dict[str, Any]], key: str) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            is_busy = self.operations.is_busy(describe()["StackName"])
            described = describe()
            is_at_rest = UNDER_WAY not in described[key] or described[key] == "REVIEW_IN_PROGRESS"
            if is_at_rest and not is_busy:
                return described
        raise AssertionError(f"{key} is {described[key]} after {DEADLINE_SECONDS} s")

    def find(self, stack: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.client.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            assert error.response["Error"]["Message"] == f"Stack with id {stack} does not exist"  # noqa: PT017
            return None
        return found

    def status(self, stack: str = "stack") -> str:
        found = self.find(stack)
        assert found is not None
        return str(found["StackStatus"])

    def events(self, stack: str = "stack") -> list[tuple[str, str, str]]:
        """Logical id, status and reason of each event, the oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=stack)
        events = [event for page in pages for event in page["StackEvents"]]
        return [
            (event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""))
            for event in reversed(events)
        ]


async def no_backend(request: ApiRequest) -> ApiResponse:
    raise AssertionError(f"nobody answers {request.target}")


@dataclass
class Kept:
    """The documents of a cloud, which may be started again."""

    stacks: Documents = field(default_factory=InMemoryDocuments)
    parts: Documents = field(default_factory=InMemoryDocuments)
    change_sets: Documents = field(default_factory=InMemoryDocuments)
    events: Documents = field(default_factory=InMemoryDocuments)


@contextmanager
def running_bench(services: FakeServices, kept: Kept) -> Iterator[Bench]:
    """The API until the block ends."""
    roles: list[str | None] = []

    def clients_as(role_arn: str | None) -> Callable[[str], Any]:
        roles.append(role_arn)
        return services.clients

    operations = StackOperations(
        records=StackRecords(
            DocumentStackStore(kept.stacks, kept.parts), ChangeSets(kept.change_sets), EventLog(kept.events)
        ),
        clients_as=clients_as,
        clock=InterruptibleClock(),
        receiver=DeafReceiver(),
        registry=Registry({THING: ThingHandler}),
    )
    operations.recover()
    api = CloudFormationApi(operations)
    with _listening(api) as url:
        yield Bench(aws_client("cloudformation", endpoint_url=url), services, operations, roles)
    api.close()
    operations.close()


@contextmanager
def _listening(api: CloudFormationApi) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    port = CloudPort(Answers(backend=no_backend, handlers=api.handlers()))
    try:
        yield asyncio.run_coroutine_threadsafe(port.start(port=0), loop).result()
        asyncio.run_coroutine_threadsafe(port.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
