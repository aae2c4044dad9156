"""Calls are told apart as botocore makes them: every operation of every service is sent once, to nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from local.api_calls import SERVICES_BY_SIGNING_NAME, ApiCall, ApiRequest, Scope, Unknown, identify, signature_scope

SERVICES = sorted(service for services in SERVICES_BY_SIGNING_NAME.values() for service in services)

SAME_REQUEST = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
"""Operations that no request tells apart from another one."""

OF_OTHER_ENDPOINTS = {"WriteGetObjectResponse", "ListDirectoryBuckets"}
"""Operations in S3's model that are sent to S3 Object Lambda and to S3 Express."""


@cache
def session() -> Any:
    return botocore.session.Session()


def client(service: str, **settings: Any) -> Any:
    """A client whose requests are caught before they are sent."""
    return session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:8444",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(parameter_validation=False, inject_host_prefix=False, **settings),
    )


def sent(made: Any, operation: str, **parameters: Any) -> ApiRequest:
    """The request that a client sends for an operation."""
    caught: list[ApiRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        caught.append(as_api_request(request.method, request.url, request.headers, request.body))
        return AWSResponse(request.url, 200, {}, _Empty())

    made.meta.events.register_first("before-send", catch)
    try:
        made._make_api_call(operation, parameters)
    except Exception:  # the empty answer need not make sense: the request is what counts
        if not caught:
            raise
    finally:
        made.meta.events.unregister("before-send", catch)
    return caught[0]


class _Empty:
    """The body of an answer without one."""

    def read(self, _size: int = -1) -> bytes:
        return b""

    def stream(self) -> Iterator[bytes]:
        return iter(())


def as_api_request(method: str, url: str, headers: Mapping[str, Any], body: Any) -> ApiRequest:
    target = "/" + url.split("/", 3)[3]
    texts = {k.lower(): v.decode() if isinstance(v, bytes) else str(v) for k, v in headers.items()}
    texts.setdefault("host", url.split("/")[2])
    content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
    return ApiRequest(method, target, texts, content)


SMALLEST: dict[str | None, Any] = {None: {}, "boolean": True, "blob": b"{}", "timestamp": 0, "document": {}}


def minimal(shape: Any) -> Any:
    """The smallest value of a shape that has its required members."""
    match shape.type_name if shape else None:
        case "structure":
            return {name: minimal(shape.members[name]) for name in shape.required_members}
        case "list":
            return [minimal(shape.member)]
        case "map":
            return {"key": minimal(shape.value)}
        case "string":
            return (shape.enum or ["value"])[0]
        case name:
            return SMALLEST.get(name, 1)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_is_recognised_in_the_request_that_botocore_makes_for_it(service: str) -> None:
    made = client(service)
    model = made.meta.service_model
    names = [name for name in model.operation_names if name not in OF_OTHER_ENDPOINTS]

    identified = {
        name: identify(sent(made, name, **minimal(model.operation_model(name).input_shape))) for name in names
    }

    wrong = {name: call for name, call in identified.items() if call != ApiCall(service, SAME_REQUEST.get(name, name))}
    assert wrong == {}


@pytest.mark.parametrize("operation", ["GetObject", "PutObject", "HeadObject", "DeleteObject"])
@pytest.mark.parametrize("key", ["a", "a/b c.json", "folder/", "ünï/cödé", "a?b&uploads", "//a", "a%2Fb"])
def test_an_object_is_recognised_whatever_its_key(operation: str, key: str) -> None:
    request = sent(client("s3"), operation, Bucket="bucket", Key=key)

    call = identify(request)

    assert call == ApiCall("s3", operation)
    assert isinstance(call, ApiCall)
    assert call.parameters == {"Bucket": "bucket", "Key": key}


def test_a_bucket_may_stand_in_the_hosts_name() -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, ..."}

    of_localhost = identify(ApiRequest("GET", "/key", {**headers, "host": "bucket.localhost:8444"}))
    of_aws = identify(ApiRequest("GET", "/?list-type=2", {**headers, "host": "my.bucket.s3.us-east-1.amazonaws.com"}))

    assert isinstance(of_localhost, ApiCall)
    assert isinstance(of_aws, ApiCall)
    assert (of_localhost.operation, of_localhost.parameters["Bucket"]) == ("GetObject", "bucket")
    assert (of_aws.operation, of_aws.parameters["Bucket"]) == ("ListObjectsV2", "my.bucket")


@pytest.mark.parametrize(("signature", "method"), [("s3v4", "GetObject"), ("s3", "GetObject"), ("s3v4", "PutObject")])
def test_a_presigned_url_names_its_caller_and_its_operation(signature: str, method: str) -> None:
    names = {"GetObject": "get_object", "PutObject": "put_object"}
    url = client("s3", signature_version=signature).generate_presigned_url(
        names[method], Params={"Bucket": "bucket", "Key": "a/b"}
    )

    request = as_api_request({"GetObject": "GET", "PutObject": "PUT"}[method], url, {}, b"")

    assert identify(request) == ApiCall("s3", method)
    assert signature_scope(request) == Scope("local", "s3")


def test_the_invoked_endpoint_stands_in_the_calls_parameters() -> None:
    request = sent(client("sagemaker-runtime"), "InvokeEndpoint", EndpointName="flyball-digits", Body=b"{}")

    call = identify(request)

    assert isinstance(call, ApiCall)
    assert call.parameters == {"EndpointName": "flyball-digits"}
    assert call.protocol == "rest-json"


def test_cloudwatch_is_recognised_in_each_protocol_that_it_speaks() -> None:
    authorization = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/monitoring/aws4_request, Signature=0"
    form = {"authorization": authorization, "content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    cbor = {"authorization": authorization, "smithy-protocol": "rpc-v2-cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"

    by_json = identify(sent(client("cloudwatch"), "DescribeAlarms"))
    by_query = identify(ApiRequest("POST", "/", form, b"Action=DescribeAlarms&Version=2010-08-01"))
    by_cbor = identify(ApiRequest("POST", path, cbor))

    expected = ApiCall("cloudwatch", "DescribeAlarms")
    assert [by_json, by_query, by_cbor] == [expected, expected, expected]
    assert [call.protocol for call in (by_json, by_query, by_cbor)] == ["json", "query", "smithy-rpc-v2-cbor"]


def test_the_access_key_of_a_caller_is_read_from_the_signature() -> None:
    request = sent(client("sts"), "GetCallerIdentity")

    assert signature_scope(request) == Scope("local", "sts")


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (
            {"x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth"},
            b"",
            ApiCall("cognito-idp", "InitiateAuth"),
        ),
        (
            {"content-type": "application/x-www-form-urlencoded"},
            b"Action=AssumeRoleWithWebIdentity",
            ApiCall("sts", "AssumeRoleWithWebIdentity"),
        ),
        ({}, b"", Unknown("an unsigned request", "POST /", "rest-json")),
    ],
)
def test_an_unsigned_call_is_recognised_where_aws_allows_one(
    headers: dict[str, str], body: bytes, expected: ApiCall | Unknown
) -> None:
    assert identify(ApiRequest("POST", "/", headers, body)) == expected


def test_a_service_that_is_not_told_apart_is_named_by_its_signature() -> None:
    headers = {
        "authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/kinesis/aws4_request, Signature=0",
        "x-amz-target": "Kinesis_20131202.PutRecord",
    }

    assert identify(ApiRequest("POST", "/", headers)) == Unknown("kinesis", "PutRecord", "json")


def test_a_signed_request_without_an_operation_of_its_service_is_unknown() -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/lambda/aws4_request"}

    assert identify(ApiRequest("GET", "/nothing", headers)) == Unknown("lambda", "GET /nothing", "rest-json")
