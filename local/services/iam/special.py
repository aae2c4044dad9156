"""Operations whose resources are not simply one of their parameters: several, a part of one, or looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from local.services.iam.evaluation import ANY_RESOURCE
from local.services.iam.parameters import Parameters
from local.services.iam.resources import Place, function_arn

Special = Callable[[Parameters, Place], Iterable[tuple[str, str]]]
"""From a call's parameters to its actions, each with its resource."""


def _delete_objects(parameters: Parameters, _place: Place) -> Iterator[tuple[str, str]]:
    for key in parameters.get("Keys", ()):
        yield "s3:DeleteObject", f"arn:aws:s3:::{parameters.get('Bucket')}/{key}"


def _copied(parameters: Parameters, _place: Place) -> Iterator[tuple[str, str]]:
    """CopyObject and UploadPartCopy read one object and write another."""
    source = str(parameters.get("CopySource", "")).lstrip("/").partition("?")
    yield "s3:GetObjectVersion" if "versionId=" in source[2] else "s3:GetObject", f"arn:aws:s3:::{source[0]}"
    yield "s3:PutObject", f"arn:aws:s3:::{parameters.get('Bucket')}/{parameters.get('Key')}"


def _list_buckets(_parameters: Parameters, _place: Place) -> Iterator[tuple[str, str]]:
    yield "s3:ListAllMyBuckets", ANY_RESOURCE


def _table(name: Any, place: Place) -> str:
    text = str(name)
    return text if text.startswith("arn:") else f"arn:aws:dynamodb:{place.region}:{place.account}:table/{text}"


def _batch(action: str) -> Special:
    def asked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
        for table in parameters.get("RequestItems") or {}:
            yield action, _table(table, place)

    return asked


TRANSACTED: Final = {
    "Get": "dynamodb:GetItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


def _transaction(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    for item in parameters.get("TransactItems") or ():
        for kind, details in item.items():
            yield TRANSACTED[kind], _table(details.get("TableName"), place)


def _read_table(action: str) -> Special:
    def asked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
        index = parameters.get("IndexName")
        yield action, _table(parameters.get("TableName"), place) + (f"/index/{index}" if index else "")

    return asked


def _rule(action: str, member: str) -> Special:
    """A rule of a bus other than the default one has the bus in its ARN."""

    def asked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
        bus = str(parameters.get("EventBusName") or "default").rpartition("/")[2]
        name = parameters.get(member)
        path = name if bus == "default" else f"{bus}/{name}"
        yield action, f"arn:aws:events:{place.region}:{place.account}:rule/{path}"

    return asked


def _put_events(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    buses = {
        str(entry.get("EventBusName") or "default").rpartition("/")[2] for entry in parameters.get("Entries") or ()
    }
    for bus in sorted(buses):
        yield "events:PutEvents", f"arn:aws:events:{place.region}:{place.account}:event-bus/{bus}"


def _default_bus(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    name = str(parameters.get("Name") or "default").rpartition("/")[2]
    yield "events:DescribeEventBus", f"arn:aws:events:{place.region}:{place.account}:event-bus/{name}"


def _reencrypt(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    yield "kms:ReEncryptFrom", place.lookups.key_arn(str(parameters.get("SourceKeyId", "")))
    yield "kms:ReEncryptTo", place.lookups.key_arn(str(parameters.get("DestinationKeyId", "")))


def _parameter_tags(action: str) -> Special:
    def asked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
        name = str(parameters.get("ResourceId", "")).lstrip("/")
        yield action, f"arn:aws:ssm:{place.region}:{place.account}:parameter/{name}"

    return asked


def _version_of_group(action: str) -> Special:
    """A version that is yet to be numbered, or all of a group's."""

    def asked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
        base = f"arn:aws:sagemaker:{place.region}:{place.account}:model-package"
        group = str(parameters.get("ModelPackageGroupName") or "").rpartition("/")[2].lower()
        name = str(parameters.get("ModelPackageName") or "").lower()
        yield action, f"{base}/{group}/*" if group else f"{base}/{name or '*'}"

    return asked


def _schedule(action: str) -> Special:
    def asked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
        group = parameters.get("GroupName") or "default"
        yield action, f"arn:aws:scheduler:{place.region}:{place.account}:schedule/{group}/{parameters.get('Name')}"

    return asked


def _decrypted(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    """A ciphertext knows its key, so the caller need not name it."""
    key = parameters.get("KeyId")
    ciphertext = str(parameters.get("CiphertextBlob", ""))
    yield "kms:Decrypt", place.lookups.key_arn(str(key)) if key else place.lookups.ciphertext_key(ciphertext)


def _invoked(parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    qualifier = parameters.get("Qualifier")
    arn = function_arn(str(parameters.get("FunctionName", "")), place)
    yield "lambda:InvokeFunction", f"{arn}:{qualifier}" if qualifier else arn


def _all_log_groups(_parameters: Parameters, place: Place) -> Iterator[tuple[str, str]]:
    yield "logs:DescribeLogGroups", f"arn:aws:logs:{place.region}:{place.account}:log-group::log-stream:"


SPECIAL: Final[Mapping[str, Special]] = {
    "dynamodb:BatchGetItem": _batch("dynamodb:BatchGetItem"),
    "dynamodb:BatchWriteItem": _batch("dynamodb:BatchWriteItem"),
    "dynamodb:Query": _read_table("dynamodb:Query"),
    "dynamodb:Scan": _read_table("dynamodb:Scan"),
    "dynamodb:TransactGetItems": _transaction,
    "dynamodb:TransactWriteItems": _transaction,
    "events:DescribeEventBus": _default_bus,
    "events:PutEvents": _put_events,
    **{
        f"events:{name}": _rule(f"events:{name}", "Name")
        for name in ("DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "PutRule")
    },
    **{
        f"events:{name}": _rule(f"events:{name}", "Rule")
        for name in ("ListTargetsByRule", "PutTargets", "RemoveTargets")
    },
    "kms:Decrypt": _decrypted,
    "kms:ReEncrypt": _reencrypt,
    "lambda:Invoke": _invoked,
    "logs:DescribeLogGroups": _all_log_groups,
    "s3:CopyObject": _copied,
    "s3:DeleteObjects": _delete_objects,
    "s3:ListBuckets": _list_buckets,
    "s3:UploadPartCopy": _copied,
    "sagemaker:CreateModelPackage": _version_of_group("sagemaker:CreateModelPackage"),
    "sagemaker:ListModelPackages": _version_of_group("sagemaker:ListModelPackages"),
    **{
        f"scheduler:{name}": _schedule(f"scheduler:{name}")
        for name in ("CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule")
    },
    **{
        f"ssm:{name}": _parameter_tags(f"ssm:{name}")
        for name in ("AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource")
    },
}
"""Operations whose resource is not one parameter, with all the actions that they ask for."""
