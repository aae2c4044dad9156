"""Templates as they are handed in: text of JSON or YAML, in the call or in S3, and what can be read from them alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from botocore.exceptions import ClientError

from local.deploy.documents import Json, text
from local.deploy.handlers import Clients
from local.services.cloudformation.refusals import invalid, lacks_capabilities

BODY_LIMIT_BYTES = 51_200
URL_LIMIT_BYTES = 1_048_576
SSM_TYPE = "AWS::SSM::Parameter::Value<"

_NAMED = {
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
}
_IAM_TYPES = frozenset({*_NAMED, "AWS::IAM::Policy", "AWS::IAM::AccessKey", "AWS::IAM::UserToGroupAddition"})


def template_text(arguments: Mapping[str, Json], clients: Clients) -> str | None:
    """The template of a call, from its body or its S3 address; None where the call has neither."""
    if "TemplateBody" in arguments:
        body = str(arguments["TemplateBody"])
        if len(body.encode()) > BODY_LIMIT_BYTES:
            raise invalid(
                f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
                f"Member must have length less than or equal to {BODY_LIMIT_BYTES}"
            )
        return body
    return _fetched(str(arguments["TemplateURL"]), clients) if "TemplateURL" in arguments else None


def _fetched(url: str, clients: Clients) -> str:
    bucket, key = _s3_place(url)
    try:
        body: bytes = clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise invalid(f"S3 error: {error.response['Error'].get('Message', code)}") from error
    if len(body) > URL_LIMIT_BYTES:
        raise invalid(f"Template may not exceed {URL_LIMIT_BYTES} bytes in size.")
    return body.decode()


def _s3_place(url: str) -> tuple[str, str]:
    """Bucket and key of an S3 address, with the bucket in its host or first in its path."""
    address = urlsplit(url)
    path = unquote(address.path.lstrip("/"))
    host = re.fullmatch(r"(.+)\.s3[.-][\w.-]+", address.hostname or "")
    bucket, key = (host[1], path) if host else (path.partition("/")[0], path.partition("/")[2])
    if address.scheme not in ("https", "http") or not bucket or not key:
        raise invalid("TemplateURL must be a supported URL.")
    return bucket, key


def parse(body: str) -> dict[str, Json]:
    """A template's document.

    Raises: Refused where it is neither JSON nor YAML, or has no resources.
    """
    document = _document(body)
    if not isinstance(document, dict):
        raise invalid("Template format error: unsupported structure.")
    if not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise invalid("Template format error: At least one Resources member must be defined.")
    return document


def _document(body: str) -> Json:
    if body.lstrip().startswith("{"):
        try:
            return json.loads(body)
        except ValueError as error:
            raise invalid(f"Template format error: JSON not well-formed. ({error})") from error
    try:
        return yaml.load(body, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise invalid(f"Template format error: YAML not well-formed. ({error})") from error


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with CloudFormation's short forms; dates stay text."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Json:
    if isinstance(node, yaml.ScalarNode):
        value: Json = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def needed_capabilities(template: Mapping[str, Json]) -> list[str]:
    """What a caller must acknowledge before the template is deployed."""
    iam = [entry for entry in template["Resources"].values() if entry.get("Type") in _IAM_TYPES]
    if any(_NAMED.get(entry["Type"]) in entry.get("Properties", {}) for entry in iam):
        return ["CAPABILITY_NAMED_IAM"]
    return ["CAPABILITY_IAM"] if iam else []


def check_capabilities(template: Mapping[str, Json], given: list[str]) -> None:
    """Raises Refused where the caller has not acknowledged what the template needs."""
    needed = needed_capabilities(template)
    enough = {*given, "CAPABILITY_IAM"} if "CAPABILITY_NAMED_IAM" in given else {*given}
    if not set(needed) <= enough:
        raise lacks_capabilities(needed)


def check_types(template: Mapping[str, Json], allowed: Sequence[str]) -> None:
    """Raises Refused for a resource of a type that the caller has not named, where types are named."""
    for entry in template["Resources"].values():
        resource_type = entry.get("Type", "")
        if allowed and not any(fnmatchcase(resource_type, pattern) for pattern in allowed):
            raise invalid(f"Resource type {resource_type} is not permitted by parameter ResourceTypes")


def parameter_texts(
    template: Mapping[str, Json], given: Sequence[Mapping[str, Any]], previous: Mapping[str, str]
) -> dict[str, str]:
    """The value of each declared parameter as text: given, previous or default.

    Raises: Refused for a parameter without a value, or one that the template does not declare.
    """
    declared: Mapping[str, Json] = template.get("Parameters", {})
    named = {entry["ParameterKey"]: entry for entry in given}
    if unknown := sorted(named.keys() - declared.keys()):
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {name: _value(name, declaration, named, previous) for name, declaration in declared.items()}
    if missing := [name for name, value in values.items() if value is None]:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    return {name: value for name, value in values.items() if value is not None}


def _value(
    name: str, declaration: Mapping[str, Json], named: Mapping[str, Mapping[str, Any]], previous: Mapping[str, str]
) -> str | None:
    entry = named.get(name)
    if entry is not None and entry.get("UsePreviousValue"):
        if name not in previous:
            raise invalid(f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for it")
        return previous[name]
    if entry is not None and "ParameterValue" in entry:
        return str(entry["ParameterValue"])
    return text(declaration["Default"]) if "Default" in declaration else None


def check_values(template: Mapping[str, Json], values: Mapping[str, str]) -> None:
    """Raises Refused for a value that its declaration does not allow."""
    for name, declaration in template.get("Parameters", {}).items():
        for problem in _problems(name, declaration, values[name]):
            raise invalid(problem)


def _problems(name: str, declaration: Mapping[str, Json], value: str) -> Iterator[str]:
    if declaration["Type"].startswith(SSM_TYPE):
        return
    allowed = [text(item) for item in declaration.get("AllowedValues", [])]
    if allowed and value not in allowed:
        yield f"Parameter '{name}' must be one of AllowedValues"
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        constraint = declaration.get("ConstraintDescription", f"must match pattern {pattern}")
        yield f"Parameter '{name}' {constraint}"
    if not int(declaration.get("MinLength", 0)) <= len(value) <= int(declaration.get("MaxLength", len(value))):
        yield f"Parameter '{name}' must contain between MinLength and MaxLength characters"
