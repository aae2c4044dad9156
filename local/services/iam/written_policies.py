"""Policies that a call brings: refused by name where they say what the local cloud could not judge later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal
from local.services.iam.context import unknown_keys
from local.services.iam.parameters import Parameters, parameters_of
from local.services.iam.policies import MalformedPolicy, PolicyKind, actions_named, keys_named, read_policy
from local.services.iam.service_reference import exists

NOT_IMPLEMENTED: Final = "NotImplementedByLocalCloud"

DOCUMENTS: Final[Mapping[str, tuple[tuple[str, PolicyKind], ...]]] = {
    "iam:CreateRole": (("AssumeRolePolicyDocument", PolicyKind.TRUST),),
    "iam:UpdateAssumeRolePolicy": (("PolicyDocument", PolicyKind.TRUST),),
    **{
        f"iam:{name}": (("PolicyDocument", PolicyKind.IDENTITY),)
        for name in ("CreatePolicy", "CreatePolicyVersion", "PutRolePolicy", "PutUserPolicy")
    },
    "kms:CreateKey": (("Policy", PolicyKind.RESOURCE),),
    "kms:PutKeyPolicy": (("Policy", PolicyKind.RESOURCE),),
    "secretsmanager:PutResourcePolicy": (("ResourcePolicy", PolicyKind.RESOURCE),),
    "sts:AssumeRole": (("Policy", PolicyKind.SESSION),),
}
"""Which parameter of which call is a policy."""

CODES: Final[Mapping[str, str]] = {
    "iam": "MalformedPolicyDocument",
    "kms": "MalformedPolicyDocumentException",
    "s3": "MalformedPolicy",
    "secretsmanager": "MalformedPolicyDocumentException",
    "sns": "InvalidParameter",
    "sqs": "InvalidAttributeValue",
    "sts": "MalformedPolicyDocument",
}


def refuse_policies(call: ApiCall, request: ApiRequest) -> ApiRefusal | None:
    """The refusal of a call whose policy AWS would refuse, or which cannot be judged here."""
    for text, kind in _documents(call, request):
        try:
            policy = read_policy(text, kind=kind)
        except MalformedPolicy as error:
            return ApiRefusal(CODES[call.service], str(error), 400)
        unknown = [f"the condition key {key}" for key in unknown_keys(keys_named(policy))]
        unknown += [f"the action {action}" for action in actions_named(policy) if action != "*" and not exists(action)]
        if unknown:
            sentence = f"the policy names {', '.join(unknown)}, of which the local cloud knows nothing"
            return ApiRefusal(NOT_IMPLEMENTED, f"{sentence}; docs/decisions/permissions.md lists what it knows", 501)
    return None


def _documents(call: ApiCall, request: ApiRequest) -> Iterator[tuple[str, PolicyKind]]:
    if str(call) == "s3:PutBucketPolicy":
        yield request.body.decode("utf-8", "replace"), PolicyKind.RESOURCE
    elif str(call) in ("sns:SetTopicAttributes", "sns:CreateTopic", "sqs:SetQueueAttributes", "sqs:CreateQueue"):
        yield from _attributes(parameters_of(call, request))
    elif str(call) in DOCUMENTS:
        parameters = parameters_of(call, request)
        for member, kind in DOCUMENTS[str(call)]:
            if parameters.get(member):
                yield str(parameters[member]), kind


def _attributes(parameters: Parameters) -> Iterator[tuple[str, PolicyKind]]:
    """A policy as an attribute: by name and value, in a map, or in the query protocol's list of entries."""
    found = parameters.get("Attributes", {})
    attributes = found if isinstance(found, Mapping) else {entry.get("key"): entry.get("value") for entry in found}
    if parameters.get("AttributeName") == "Policy":
        attributes = {"Policy": parameters.get("AttributeValue")}
    if attributes.get("Policy"):
        yield str(attributes["Policy"]), PolicyKind.RESOURCE
