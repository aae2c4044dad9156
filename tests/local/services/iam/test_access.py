"""Access beside the cloud port: the front door, what the platform does in a role's name, who may wake a function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.services.apigateway.gateway import Call
from local.services.apigateway.request import Principal
from local.services.iam.triggers import Sender, TriggerRefused, sender_of
from local.services.sigv4 import Refusal
from tests.local.services.iam.accounts import ACCOUNT, REGION, GuardedAccount, allow, guarded_account

pytestmark = pytest.mark.slow

METHOD = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:abc/api/POST/models/digits/predict"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:group"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"


@pytest.fixture(scope="module")
def account() -> Iterator[GuardedAccount]:
    with guarded_account() as account:
        yield account


def session_of(account: GuardedAccount, role_arn: str) -> tuple[str, str]:
    session = account.access.sessions.start(role_arn=role_arn, name="me", lasts=timedelta(hours=1))
    return session.access_key, session.token


def test_the_administrator_may_call_every_method(account: GuardedAccount) -> None:
    found = account.access.admit(Call("local", None, METHOD))

    assert found == Principal(f"arn:aws:iam::{ACCOUNT}:user/local", "AIDALOCALADMINISTRATR")


def test_a_role_may_call_the_methods_that_its_policies_name(account: GuardedAccount) -> None:
    role = account.role("caller", allow("execute-api:Invoke", on=METHOD.replace("digits", "*")))
    access_key, token = session_of(account, role)

    allowed = account.access.admit(Call(access_key, token, METHOD))
    refused = account.access.admit(Call(access_key, token, METHOD.replace("POST", "GET")))

    assert isinstance(allowed, Principal)
    assert allowed.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/caller/me"
    assert refused == Refusal(
        "AccessDeniedException",
        f"User: {allowed.arn} is not authorized to perform: execute-api:Invoke on resource: "
        f"arn:aws:execute-api:{REGION}:********9012:abc/api/GET/models/digits/predict because no identity-based policy "
        "allows the execute-api:Invoke action",
    )


def test_a_session_without_its_token_is_not_let_in(account: GuardedAccount) -> None:
    access_key, _ = session_of(account, account.role("tokenless", allow("*")))

    found = account.access.admit(Call(access_key, None, METHOD))

    assert isinstance(found, Refusal)
    assert found.code == "UnrecognizedClientException"


def test_the_front_door_knows_no_strangers(account: GuardedAccount) -> None:
    access_key, _ = session_of(account, account.role("known"))

    assert account.access.secret_of("local") == "local"
    assert account.access.secret_of("stranger") is None
    assert account.access.secret_of(access_key) is not None
    account.clock.advance(3600)
    assert account.access.secret_of(access_key) is None


def test_a_role_logs_where_it_may(account: GuardedAccount) -> None:
    both = account.role("logger", allow("logs:CreateLogStream", "logs:PutLogEvents", on=f"{GROUP}:*"))
    half = account.role("half-logger", allow("logs:PutLogEvents", on=f"{GROUP}:*"))

    may_log = account.access.authority.may_log

    assert may_log(both, "group")
    assert not may_log(both, "other")
    assert not may_log(half, "group")
    assert not may_log(f"arn:aws:iam::{ACCOUNT}:role/none", "group")


def test_the_platform_is_told_why_a_role_may_not(account: GuardedAccount) -> None:
    role = account.role("puller", allow("ecr:BatchGetImage", on="*"))
    may = account.access.authority.may

    assert may(role, "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/r") is None
    assert may(role, "s3:GetObject", "arn:aws:s3:::bucket/model.tar.gz") == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/puller/flyball is not authorized to perform: s3:GetObject on "
        "resource: arn:aws:s3:::bucket/model.tar.gz because no identity-based policy allows the s3:GetObject action"
    )


def test_reading_an_encrypted_object_needs_its_key(account: GuardedAccount) -> None:
    s3, key = account.client("s3"), account.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="models")
    role = account.role("reader", allow("s3:GetObject", on="*"))
    s3.put_object(Bucket="models", Key="sealed", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)

    before = account.access.authority.may(role, "s3:GetObject", "arn:aws:s3:::models/sealed")
    account.role("reader", allow("s3:GetObject", on="*"), allow("kms:Decrypt", on=key))

    assert before is not None
    assert "kms:Decrypt" in before
    assert account.access.authority.may(role, "s3:GetObject", "arn:aws:s3:::models/sealed") is None


def test_a_change_of_permissions_is_not_hidden_by_what_was_decided_before(account: GuardedAccount) -> None:
    authorize = account.access.authority.authorize
    role = account.role("changing", allow("sqs:SendMessage"))
    before = authorize(role, "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q").allowed

    account.role("changing", allow("sqs:ReceiveMessage"))

    assert before
    assert not authorize(role, "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q").allowed


def test_only_the_role_that_is_named_in_the_environment_is_given(account: GuardedAccount) -> None:
    role = account.role("container")

    variables = account.access.variables(role, "i-1")

    assert account.access.variables(None, "i-1") == {}
    assert account.access.callers.of_access_key(variables["AWS_ACCESS_KEY_ID"]).caller.arn.endswith("/container/i-1")


def notification(topic: str) -> bytes:
    return json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": topic, "Message": "m"}}]}).encode()


@pytest.mark.parametrize(
    ("event", "sender"),
    [
        (notification(TOPIC), Sender("sns.amazonaws.com", TOPIC)),
        (
            b'{"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"arn": "arn:aws:s3:::b"}}}]}',
            Sender("s3.amazonaws.com", "arn:aws:s3:::b"),
        ),
        (b'{"Records": [{"eventSource": "aws:sqs"}]}', None),
        (b'{"httpMethod": "GET"}', None),
        (b"[1]", None),
        (b"", None),
        (b"{", None),
    ],
)
def test_a_sender_is_known_by_its_events(event: bytes, sender: Sender | None) -> None:
    assert sender_of(event) == sender


def test_a_topic_wakes_the_functions_that_let_it(account: GuardedAccount) -> None:
    arn = function(account, "woken")
    account.client("lambda").add_permission(
        FunctionName="woken",
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=TOPIC,
    )

    account.access.check_trigger(arn, notification(TOPIC))

    with pytest.raises(TriggerRefused, match=r"sns\.amazonaws\.com is not authorized"):
        account.access.check_trigger(arn, notification(f"{TOPIC}-of-others"))


def function(account: GuardedAccount, name: str) -> str:
    trust: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = account.role(
        f"{name}-role", trust={"Version": "2012-10-17", "Statement": {**trust, "Action": "sts:AssumeRole"}}
    )
    answer = account.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.14", Handler="a.b", Code={"ZipFile": b"zip"}
    )
    return str(answer["FunctionArn"])


def test_the_apis_logs_are_written_by_the_accounts_role(account: GuardedAccount) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = account.role(
        "api-logs",
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=f"{GROUP}:*"),
        trust={"Version": "2012-10-17", "Statement": [trust]},
    )
    written: list[str] = []
    log = account.access.gateway_log(lambda group, _stream, _lines: written.append(group))

    log("group", "stream", ["before there is a role"])
    change = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role}
    account.client("apigateway").update_account(patchOperations=[change])
    log("group", "stream", ["after"])
    log("other", "stream", ["where it may not"])

    assert written == ["group"]
