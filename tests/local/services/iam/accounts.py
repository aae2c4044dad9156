"""An account in moto with the guard before it: real clients, no ports but one, nothing of a process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.api_calls import ApiRequest
from local.clock import ManualClock
from local.cloud_port import Answers, CloudPort
from local.documents import InMemoryDocuments
from local.moto_hooks import CloudHooks
from local.moto_host import MotoHost
from local.services.iam.access import Access, account_access
from local.services.lambda_environment import Credentials
from local.services.lambda_function import Invocation, InvocationType

ACCOUNT, REGION = "123456789012", "us-east-1"
ADMINISTRATOR = Credentials("local", "local")
TRUSTS_THE_ACCOUNT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    ],
}


@dataclass
class GuardedAccount:
    """A cloud port that listens, and what guards it."""

    url: str
    access: Access
    clock: ManualClock

    def client(self, service: str, credentials: Credentials = ADMINISTRATOR) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.session_token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def role(self, name: str, *statements: dict[str, Any], trust: dict[str, Any] | None = None) -> str:
        """A new role, or a known one with other permissions; its ARN."""
        iam = self.client("iam")
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            document = json.dumps(trust or TRUSTS_THE_ACCOUNT)
            role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
        return str(role["Arn"])

    def assume(self, role_arn: str, *, by: Credentials = ADMINISTRATOR, **more: Any) -> Credentials:
        """Credentials of a session called `me`."""
        answer = self.client("sts", by).assume_role(RoleArn=role_arn, RoleSessionName="me", **more)
        found = answer["Credentials"]
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def refusal(error: ClientError) -> tuple[int, str, str]:
    """Status, code and message of an error."""
    found = error.response["Error"]
    return error.response["ResponseMetadata"]["HTTPStatusCode"], found["Code"], found.get("Message", "")


def allow(*actions: str, on: str | list[str] = "*", **elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **elements}


def _no_functions(_arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError("no function runs here")


@contextmanager
def guarded_account() -> Iterator[GuardedAccount]:
    """One that is empty, in a thread of its own."""
    ready: list[GuardedAccount] = []
    started, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        clock = ManualClock()
        moto = MotoHost(CloudHooks(invoke_lambda=_no_functions))
        await moto.call(ApiRequest("POST", "/moto-api/reset", {"host": "localhost"}))
        collections: dict[str, InMemoryDocuments] = {}
        access = account_access(
            account=ACCOUNT,
            region=REGION,
            clock=clock,
            documents=lambda name: collections.setdefault(name, InMemoryDocuments()),
            administrator=ADMINISTRATOR,
        )
        async with CloudPort(Answers(moto.call, access.sts.handlers(), guards=[access.guard])) as port:
            ready.append(GuardedAccount(await port.start(port=0), access, clock))
            started.set()
            await over.wait()
        moto.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait(30)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()
