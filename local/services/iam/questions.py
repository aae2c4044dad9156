"""From an API call to the questions that AWS asks before it answers: actions, resources, conditions.

Each call asks for its own action. Some ask for more: to pass a role on, to tag what is made, to read what is copied, to
use the key that something is encrypted with. An operation without a rule is a NoRule, never a silent default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final
from urllib.parse import unquote

from local.api_calls import ApiCall, ApiRequest
from local.services.iam.actions import FREE, actions_of, prefix_of
from local.services.iam.context import tag_context
from local.services.iam.evaluation import ANY_RESOURCE, Question
from local.services.iam.implied import State, more_of, passing, tagging
from local.services.iam.parameters import Parameters, parameters_of, service_model
from local.services.iam.patterns import Context
from local.services.iam.resources import RESOURCES, Place, Resource
from local.services.iam.service_reference import resource_types
from local.services.iam.special import SPECIAL


class NoRule(LookupError):
    """An operation whose resource nobody has written down."""


WITHOUT_RESOURCE: Final[Mapping[str, str]] = {
    "cloudwatch:GetMetricData": "metrics have no ARN; data sets are not implemented",
    "cloudwatch:ListMetrics": "metrics have no ARN; data sets are not implemented",
    "cloudwatch:PutMetricData": "metrics have no ARN; a policy narrows it down by cloudwatch:namespace",
}
"""Actions that AWS's reference gives a type of resource which nothing here has, with the reason."""


def questions_of(call: ApiCall, request: ApiRequest, *, place: Place, state: State) -> list[Question]:
    """Every question; the call is allowed if each is answered with yes.

    Raises: NoRule, NoAction.
    """
    if str(call) in FREE:
        return []
    if call.service == "apigateway":
        return list(_of_api_gateway(call, request, place))
    parameters = parameters_of(call, request)
    own = _own(call, parameters, place)
    context = {**tag_context(parameters), **_context(call, parameters)}
    return [
        *(Question(action, resource, context) for action, resource in own),
        *tagging(call, parameters, own, context),
        *passing(call, parameters),
        *more_of(call, parameters, place, state),
    ]


def resource_rules(service: str, operation: str, action: str) -> tuple[Resource, ...]:
    """The entries of the table for one action of an operation; none where a permission can name `*` only.

    Raises: NoRule where AWS has a type of resource and the table does not.
    """
    types = resource_types(action) or ()
    if not types or action in WITHOUT_RESOURCE:
        return ()
    shape = service_model(service).operation_model(operation).input_shape
    members = set(shape.members) if shape else set()
    usable = [
        entry
        for entry in RESOURCES.get(prefix_of(service), ())
        if set(entry.members) <= members and any(entry.is_a(each) for each in types)
    ]
    if not usable:
        raise NoRule(f"the resource of {service}:{operation} is not known: it is one of {', '.join(types)}")
    first_of_type = {entry.type: entry for entry in reversed(usable)}
    return tuple(entry for entry in usable if first_of_type[entry.type] is entry)


@cache
def _rules(service: str, operation: str, *, version: bool) -> tuple[tuple[str, tuple[Resource, ...]], ...]:
    actions = actions_of(service, operation, version=version)
    return tuple((action, resource_rules(service, operation, action)) for action in actions)


def _own(call: ApiCall, parameters: Parameters, place: Place) -> list[tuple[str, str]]:
    """The actions of the operation itself, on each of its resources."""
    special = SPECIAL.get(str(call))
    if special is not None:
        return list(special(parameters, place))
    found: list[tuple[str, str]] = []
    for action, rules in _rules(call.service, call.operation, version="VersionId" in parameters):
        resources = [arn for rule in rules for arn in rule.arns(parameters, place)] or [ANY_RESOURCE]
        found += [(action, arn) for arn in resources]
    return found


def _of_api_gateway(call: ApiCall, request: ApiRequest, place: Place) -> Iterator[Question]:
    """API Gateway's actions are HTTP methods, its resources paths."""
    path = unquote(request.path)
    parameters = parameters_of(call, request)
    context = tag_context(parameters)
    yield Question(f"apigateway:{request.method}", f"arn:aws:apigateway:{place.region}::{path}", context)
    yield from passing(call, parameters)


def _context(call: ApiCall, parameters: Parameters) -> Context:
    """The service's own condition keys."""
    keys = CONDITION_KEYS.get(call.service, {})
    found = {key: parameters.get(member) for member, key in keys.items()}
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


CONDITION_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "cloudwatch": {"Namespace": "cloudwatch:namespace"},
    "iam": {"PermissionsBoundary": "iam:permissionsboundary", "PolicyArn": "iam:policyarn"},
    "s3": {
        "Prefix": "s3:prefix",
        "Delimiter": "s3:delimiter",
        "MaxKeys": "s3:max-keys",
        "VersionId": "s3:versionid",
        "ACL": "s3:x-amz-acl",
        "ServerSideEncryption": "s3:x-amz-server-side-encryption",
        "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    },
    "sns": {"Protocol": "sns:protocol", "Endpoint": "sns:endpoint"},
    "sts": {"ExternalId": "sts:externalid", "RoleSessionName": "sts:rolesessionname"},
}
"""Which parameter is the value of which condition key."""
