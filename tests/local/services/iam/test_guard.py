"""The guard before moto: who is let in, and what everybody else is told, by real clients of each protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services.lambda_environment import Credentials
from tests.local.services.iam.accounts import (
    ACCOUNT,
    ADMINISTRATOR,
    REGION,
    GuardedAccount,
    allow,
    guarded_account,
    refusal,
)

pytestmark = pytest.mark.slow

PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"


@pytest.fixture(scope="module")
def account() -> Iterator[GuardedAccount]:
    with guarded_account() as account:
        account.clock.moment = datetime.now(UTC)  # clients sign with the machine's time
        yield account


@pytest.fixture
def session(account: GuardedAccount) -> Credentials:
    """Of a role that may read one parameter."""
    return account.assume(account.role("reader", allow("ssm:GetParameter", on=f"{PARAMETER}/read/*")))


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return refusal(caught.value)


def test_what_a_policy_allows_is_done(account: GuardedAccount, session: Credentials) -> None:
    account.client("ssm").put_parameter(Name="/read/a", Value="1", Type="String", Overwrite=True)

    found = account.client("ssm", session).get_parameter(Name="/read/a")

    assert found["Parameter"]["Value"] == "1"


def test_what_it_leaves_out_is_refused_in_awss_words(account: GuardedAccount, session: Credentials) -> None:
    found = refused(lambda: account.client("ssm", session).put_parameter(Name="/read/a", Value="2", Type="String"))

    assert found == (
        400,
        "AccessDeniedException",
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/reader/me is not authorized to perform: ssm:PutParameter on "
        f"resource: {PARAMETER}/read/a because no identity-based policy allows the ssm:PutParameter action",
    )


CALLS: list[tuple[str, Callable[[Any], Any], int, str]] = [
    ("ssm", lambda ssm: ssm.get_parameter(Name="/other"), 400, "AccessDeniedException"),
    ("sagemaker", lambda sagemaker: sagemaker.list_models(), 400, "AccessDeniedException"),
    ("dynamodb", lambda dynamodb: dynamodb.list_tables(), 400, "AccessDeniedException"),
    ("logs", lambda logs: logs.describe_log_groups(), 400, "AccessDeniedException"),
    ("kms", lambda kms: kms.list_keys(), 400, "AccessDeniedException"),
    ("lambda", lambda functions: functions.list_functions(), 403, "AccessDeniedException"),
    ("apigateway", lambda apigateway: apigateway.get_rest_apis(), 403, "AccessDeniedException"),
    ("scheduler", lambda scheduler: scheduler.list_schedules(), 403, "AccessDeniedException"),
    ("iam", lambda iam: iam.list_roles(), 403, "AccessDenied"),
    ("sns", lambda sns: sns.list_topics(), 403, "AuthorizationError"),
    ("s3", lambda s3: s3.list_buckets(), 403, "AccessDenied"),
]


@pytest.mark.parametrize(("service", "call", "status", "code"), CALLS, ids=[case[0] for case in CALLS])
def test_each_protocol_has_its_own_refusal(
    account: GuardedAccount, session: Credentials, service: str, call: Callable[[Any], Any], status: int, code: str
) -> None:
    found = refused(lambda: call(account.client(service, session)))

    assert found[:2] == (status, code)
    assert "is not authorized to perform: " in found[2]


LIST_PARAMETERS: Callable[[Any], Any] = lambda ssm: ssm.get_parameter(Name="/read/a")  # noqa: E731
LIST_FUNCTIONS: Callable[[Any], Any] = lambda functions: functions.list_functions()  # noqa: E731
LIST_ROLES: Callable[[Any], Any] = lambda iam: iam.list_roles()  # noqa: E731
LIST_BUCKETS: Callable[[Any], Any] = lambda s3: s3.list_buckets()  # noqa: E731
BY_PROTOCOL = {"ssm": LIST_PARAMETERS, "lambda": LIST_FUNCTIONS, "iam": LIST_ROLES, "s3": LIST_BUCKETS}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("ssm", (400, "InvalidSignatureException")),
        ("lambda", (403, "InvalidSignatureException")),
        ("iam", (403, "SignatureDoesNotMatch")),
        ("s3", (403, "SignatureDoesNotMatch")),
    ],
)
def test_a_wrong_secret_is_found_out(
    account: GuardedAccount, session: Credentials, service: str, expected: tuple[int, str]
) -> None:
    forged = session._replace(secret_key="forged")

    assert refused(lambda: BY_PROTOCOL[service](account.client(service, forged)))[:2] == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("ssm", (400, "UnrecognizedClientException")),
        ("lambda", (403, "UnrecognizedClientException")),
        ("iam", (403, "InvalidClientTokenId")),
        ("s3", (403, "InvalidAccessKeyId")),
    ],
)
def test_a_temporary_key_that_was_never_issued_is_unknown(
    account: GuardedAccount, service: str, expected: tuple[int, str]
) -> None:
    stranger = Credentials("ASIASTRANGERSTRANGER", "secret", "token")

    assert refused(lambda: BY_PROTOCOL[service](account.client(service, stranger)))[:2] == expected


def test_a_session_needs_its_token(account: GuardedAccount, session: Credentials) -> None:
    without = session._replace(session_token=None)

    assert refused(lambda: LIST_PARAMETERS(account.client("ssm", without)))[1] == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("ssm", (400, "ExpiredTokenException")),
        ("lambda", (403, "ExpiredTokenException")),
        ("iam", (403, "ExpiredToken")),
        ("s3", (400, "ExpiredToken")),
    ],
)
def test_a_session_ends_when_its_time_is_over(
    account: GuardedAccount, session: Credentials, service: str, expected: tuple[int, str]
) -> None:
    before = account.clock.moment
    account.clock.advance(timedelta(hours=1).total_seconds())

    found = refused(lambda: BY_PROTOCOL[service](account.client(service, session)))

    account.clock.moment = before
    assert found[:2] == expected


@pytest.mark.parametrize("access_key", ["local", "test", "dummy", "AKIAIOSFODNN7EXAMPLE"])
def test_any_long_term_key_that_was_not_issued_here_is_the_administrators(
    account: GuardedAccount, access_key: str
) -> None:
    found = account.client("sts", Credentials(access_key, "whatever")).get_caller_identity()

    assert found["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/local"


def test_a_users_key_is_checked_until_it_is_deleted(account: GuardedAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    arn = account.client("sts", ann).get_caller_identity()["Arn"]
    denied = refused(lambda: LIST_BUCKETS(account.client("s3", ann)))
    forged = refused(lambda: LIST_ROLES(account.client("iam", ann._replace(secret_key="forged"))))
    iam.delete_access_key(UserName="ann", AccessKeyId=ann.access_key)
    deleted = refused(lambda: LIST_ROLES(account.client("iam", ann)))

    assert arn == f"arn:aws:iam::{ACCOUNT}:user/ann"
    assert denied[1] == "AccessDenied"
    assert forged[1] == "SignatureDoesNotMatch"
    assert deleted[1] == "InvalidClientTokenId"


def test_a_changed_policy_takes_effect_at_once(account: GuardedAccount, session: Credentials) -> None:
    ssm = account.client("ssm", session)
    before = refused(ssm.describe_parameters)

    account.role("reader", allow("ssm:*"))

    assert before[1] == "AccessDeniedException"
    assert ssm.describe_parameters()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_bucket_policy_with_conditions_is_followed(account: GuardedAccount) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="plans")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::plans/*"}
    tls = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    encrypted = {**deny, "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}}

    s3.put_bucket_policy(Bucket="plans", Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls]}))
    s3.put_object(Bucket="plans", Key="a", Body=b"1")
    s3.put_bucket_policy(Bucket="plans", Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls, encrypted]}))
    found = refused(lambda: s3.put_object(Bucket="plans", Key="b", Body=b"1"))

    assert found[:2] == (403, "AccessDenied")
    assert found[2].endswith("with an explicit deny in a resource-based policy")


def test_a_missing_object_is_hidden_from_those_who_may_not_list(account: GuardedAccount) -> None:
    account.client("s3").create_bucket(Bucket="hidden")
    only_read = account.assume(account.role("hidden-reader", allow("s3:GetObject")))
    and_list = account.assume(account.role("hidden-lister", allow("s3:GetObject", "s3:ListBucket")))

    hidden = refused(lambda: account.client("s3", only_read).get_object(Bucket="hidden", Key="none"))
    shown = refused(lambda: account.client("s3", and_list).get_object(Bucket="hidden", Key="none"))

    assert hidden[:2] == (403, "AccessDenied")
    assert shown[1] == "NoSuchKey"


def test_an_encrypted_bucket_needs_its_key(account: GuardedAccount) -> None:
    s3, kms = account.client("s3"), account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="sealed")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    writer = account.assume(account.role("sealed-writer", allow("s3:PutObject", "s3:GetObject")))

    before = refused(lambda: account.client("s3", writer).put_object(Bucket="sealed", Key="a", Body=b"1"))
    via = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    account.role(
        "sealed-writer",
        allow("s3:PutObject", "s3:GetObject"),
        allow("kms:GenerateDataKey", on=key, Condition=via),
    )
    account.client("s3", writer).put_object(Bucket="sealed", Key="a", Body=b"1")
    unread = refused(lambda: account.client("s3", writer).get_object(Bucket="sealed", Key="a"))

    assert f"not authorized to perform: kms:GenerateDataKey on resource: {key}" in before[2]
    assert f"not authorized to perform: kms:Decrypt on resource: {key}" in unread[2]


def test_a_role_is_passed_on_by_those_who_may(account: GuardedAccount) -> None:
    passed = account.role("passed")
    creator = account.role("creator", allow("sagemaker:CreateModel"))
    container = {"Image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/image:1"}

    def create(name: str) -> Any:
        sagemaker = account.client("sagemaker", account.assume(creator))
        return sagemaker.create_model(ModelName=name, ExecutionRoleArn=passed, PrimaryContainer=container)

    before = refused(lambda: create("one"))
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    account.role("creator", allow("sagemaker:CreateModel"), allow("iam:PassRole", on=passed, Condition=condition))

    assert f"is not authorized to perform: iam:PassRole on resource: {passed}" in before[2]
    assert create("two")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_permissions_boundary_limits_a_role(account: GuardedAccount) -> None:
    limit = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*")]})
    boundary = account.client("iam").create_policy(PolicyName="limit", PolicyDocument=limit)["Policy"]["Arn"]
    bounded = account.role("bounded", allow("*"))
    account.client("iam").put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=boundary)
    session = account.assume(bounded)

    denied = refused(lambda: account.client("ssm", session).describe_parameters())

    assert denied[2].endswith("because no permissions boundary allows the ssm:DescribeParameters action")
    assert account.client("s3", session).list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("statement", "status", "code", "named"),
    [
        (allow("ssm:GetParametre"), 501, "NotImplementedByLocalCloud", "ssm:GetParametre"),
        (
            allow("s3:*", Condition={"StringEquals": {"s3:TlsVersion": "1"}}),
            501,
            "NotImplementedByLocalCloud",
            "s3:tlsversion",
        ),
        (allow("s3:*", Condition={"StringEquality": {"aws:username": "1"}}), 400, "MalformedPolicyDocument", ""),
    ],
)
def test_a_policy_that_cannot_be_judged_is_refused_by_name(
    account: GuardedAccount, statement: dict[str, Any], status: int, code: str, named: str
) -> None:
    account.role("strange")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    found = refused(
        lambda: account.client("iam").put_role_policy(RoleName="strange", PolicyName="p", PolicyDocument=document)
    )

    assert found[:2] == (status, code)
    assert named in found[2]


def test_only_the_administrator_reads_everything(account: GuardedAccount) -> None:
    assert account.client("iam", ADMINISTRATOR).list_roles()["Roles"]
