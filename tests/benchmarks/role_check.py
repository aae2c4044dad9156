"""What the check of a role costs a call: the same call through the cloud port with and without its guard.

`python -m tests.benchmarks.role_check` prints a row for docs/benchmarks.md. The two are measured in turn, in one
process and in one run, so that their ratio holds on another machine; the calls make no HTTP request.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.api_calls import ApiRequest
from local.api_errors import ApiResponse
from local.clock import SystemClock
from local.cloud_port import Answers
from local.documents import InMemoryDocuments
from local.moto_hooks import CloudHooks
from local.moto_host import MotoHost
from local.services.iam.access import Access, account_access
from local.services.lambda_environment import Credentials as KeyPair
from local.services.lambda_function import Invocation, InvocationType

ACCOUNT, REGION, HOST = "123456789012", "us-east-1", "127.0.0.1:8444"
ROUNDS, CALLS = 15, 200
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g:*",
        },
        {
            "Effect": "Allow",
            "Action": "ssm:GetParameter",
            "Resource": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/flyball/*",
        },
    ],
}
"""As long as that of one of our functions."""


def main() -> None:
    moto = MotoHost(CloudHooks(invoke_lambda=_no_functions))
    access = account_access(
        account=ACCOUNT,
        region=REGION,
        clock=SystemClock(),
        documents=lambda _name: InMemoryDocuments(),
        administrator=KeyPair("local", "local"),
    )
    asyncio.run(_prepare(moto))
    request = _signed(access)
    plain = Answers(moto.call, {})
    guarded = replace(plain, guards=[access.guard])
    without_us, with_us = _in_turn(
        lambda: asyncio.run(_calls(plain, request)), lambda: asyncio.run(_calls(guarded, request))
    )
    moto.close()
    print("| call | without the check, us | with it, us | the check, us | ratio |")
    print("| --- | --- | --- | --- | --- |")
    check_us, ratio = with_us - without_us, with_us / without_us
    print(f"| ssm:GetParameter by a role | {without_us:.0f} | {with_us:.0f} | {check_us:.0f} | {ratio:.2f} |")


async def _calls(answers: Answers, request: ApiRequest) -> None:
    for _ in range(CALLS):
        answer = await answers.answer(request)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body.decode()}")


def _in_turn(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """The median of each, in microseconds a call."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, kept in zip((first, second), times, strict=True):
            started = time.perf_counter()
            run()
            kept.append((time.perf_counter() - started) / CALLS * 1e6)
    return statistics.median(times[0]), statistics.median(times[1])


async def _prepare(moto: MotoHost) -> None:
    """A role and a parameter."""
    await _call(moto, "iam", f"Action=CreateRole&RoleName=r&AssumeRolePolicyDocument={_document(TRUST)}")
    await _call(moto, "iam", f"Action=PutRolePolicy&RoleName=r&PolicyName=p&PolicyDocument={json.dumps(POLICY)}")
    body = {"Name": "/flyball/digits/champion", "Value": "none", "Type": "String"}
    await _call(moto, "ssm", json.dumps(body), target="AmazonSSM.PutParameter")


def _document(statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def _call(moto: MotoHost, service: str, body: str, *, target: str = "") -> ApiResponse:
    headers = {
        "host": HOST,
        "authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request",
        "content-type": "application/x-amz-json-1.1" if target else "application/x-www-form-urlencoded",
        **({"x-amz-target": target} if target else {}),
    }
    answer = await moto.call(ApiRequest("POST", "/", headers, body.encode()))
    if answer.status != 200:
        raise RuntimeError(answer.body.decode())
    return answer


def _signed(access: Access) -> ApiRequest:
    """The call as a function signs it."""
    session = access.sessions.start(role_arn=f"arn:aws:iam::{ACCOUNT}:role/r", name="f", lasts=timedelta(hours=1))
    body = b'{"Name":"/flyball/digits/champion"}'
    headers = {
        "host": HOST,
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonSSM.GetParameter",
    }
    request = AWSRequest("POST", f"http://{HOST}/", data=body, headers=headers)
    SigV4Auth(Credentials(session.access_key, session.secret_key, session.token), "ssm", REGION).add_auth(request)
    return ApiRequest("POST", "/", {name.lower(): value for name, value in request.headers.items()}, body)


def _no_functions(_arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError("no function is called")


if __name__ == "__main__":
    main()
