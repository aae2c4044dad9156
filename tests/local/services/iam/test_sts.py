"""STS: sessions that can be used, who may have one, and who a caller is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services.lambda_environment import Credentials
from tests.local.services.iam.accounts import ACCOUNT, GuardedAccount, allow, guarded_account, refusal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def account() -> Iterator[GuardedAccount]:
    with guarded_account() as account:
        account.clock.moment = datetime.now(UTC)  # clients sign with the machine's time
        yield account


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return refusal(caught.value)


def trust(**statement: Any) -> dict[str, Any]:
    found = {"Effect": "Allow", "Action": "sts:AssumeRole", **statement}
    return {"Version": "2012-10-17", "Statement": [found]}


def test_a_session_knows_who_it_is(account: GuardedAccount) -> None:
    role = account.role("named")

    answer = account.client("sts").assume_role(RoleArn=role, RoleSessionName="me")
    found = account.client("sts", account.assume(role)).get_caller_identity()

    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/named/me"
    assert found["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert found["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_a_role_that_trusts_a_service_only_is_not_given_to_people(account: GuardedAccount) -> None:
    role = account.role("of-lambda", trust=trust(Principal={"Service": "lambda.amazonaws.com"}))

    found = refused(lambda: account.assume(role))

    sentence = (
        f"User: arn:aws:iam::{ACCOUNT}:user/local is not authorized to perform: sts:AssumeRole on resource: {role}"
    )
    assert found == (403, "AccessDenied", sentence)
    assert account.access.authority.may_be_assumed(role, "lambda.amazonaws.com")
    assert not account.access.authority.may_be_assumed(role, "sagemaker.amazonaws.com")


def test_a_role_that_does_not_exist_cannot_be_told_from_one_that_is_closed(account: GuardedAccount) -> None:
    assert refused(lambda: account.assume(f"arn:aws:iam::{ACCOUNT}:role/none"))[:2] == (403, "AccessDenied")


def test_a_trust_in_the_account_leaves_it_to_the_callers_policies(account: GuardedAccount) -> None:
    wanted = account.role("wanted")
    caller = account.role("caller", allow("ssm:GetParameter"))

    before = refused(lambda: account.assume(wanted, by=account.assume(caller)))
    account.role("caller", allow("sts:AssumeRole", on=wanted))
    chained = account.assume(wanted, by=account.assume(caller))

    assert before[1] == "AccessDenied"
    assert account.client("sts", chained).get_caller_identity()["Arn"].endswith("assumed-role/wanted/me")


def test_a_trust_in_the_role_itself_needs_no_more(account: GuardedAccount) -> None:
    caller = account.role("friend")
    wanted = account.role("open-to-friend", trust=trust(Principal={"AWS": caller}))

    chained = account.assume(wanted, by=account.assume(caller))

    assert account.client("sts", chained).get_caller_identity()["Account"] == ACCOUNT


def test_an_external_id_is_compared(account: GuardedAccount) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "secret"}}
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    role = account.role("for-partner", trust=trust(Principal=principal, Condition=condition))

    without = refused(lambda: account.assume(role))

    assert without[1] == "AccessDenied"
    assert account.assume(role, ExternalId="secret").access_key


def test_tags_of_a_session_need_leave_and_are_known(account: GuardedAccount) -> None:
    tags = [{"Key": "team", "Value": "red"}]
    closed = account.role("untagged")
    opened = account.role(
        "tagged",
        allow("ssm:DescribeParameters", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}),
        trust=trust(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action=["sts:AssumeRole", "sts:TagSession"]),
    )

    refused_tags = refused(lambda: account.assume(closed, Tags=tags))
    plain = refused(lambda: account.client("ssm", account.assume(opened)).describe_parameters())
    tagged = account.client("ssm", account.assume(opened, Tags=tags)).describe_parameters()

    assert "sts:TagSession" in refused_tags[2]
    assert plain[1] == "AccessDeniedException"
    assert tagged["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_session_policy_limits_a_session(account: GuardedAccount) -> None:
    role = account.role("wide", allow("*"))
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:ListAllMyBuckets")]})

    session = account.assume(role, Policy=policy)
    denied = refused(lambda: account.client("ssm", session).describe_parameters())

    assert account.client("s3", session).list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert denied[2].endswith("because no session policy allows the ssm:DescribeParameters action")


@pytest.mark.parametrize("seconds", [3601, 43_200])
def test_a_session_lasts_as_long_as_the_role_allows(account: GuardedAccount, seconds: int) -> None:
    role = account.role("short")

    assert refused(lambda: account.assume(role, DurationSeconds=seconds))[1] == "ValidationError"


def test_a_session_token_is_a_users_own(account: GuardedAccount) -> None:
    found = account.client("sts").get_session_token()["Credentials"]
    session = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    again = refused(lambda: account.client("sts", session).get_session_token())

    assert account.client("sts", session).get_caller_identity()["Arn"].endswith(":user/local")
    assert again[1] == "AccessDenied"


def test_a_deleted_roles_sessions_may_do_nothing(account: GuardedAccount) -> None:
    session = account.assume(account.role("doomed", allow("*")))
    iam = account.client("iam")
    iam.delete_role_policy(RoleName="doomed", PolicyName="own")
    iam.delete_role(RoleName="doomed")

    assert refused(lambda: account.client("ssm", session).describe_parameters())[1] == "AccessDeniedException"
