"""AWS::Lambda::Function, Permission, Version, Alias and LayerVersion.

What runs a function is the local Lambda service; here it is only told what the function is.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import ClassVar

from local.deploy.documents import Json, Properties, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_map

# What UpdateFunctionConfiguration takes, and what a property that goes away goes back to.
_CONFIGURATION: dict[str, Json] = {
    "Role": None,
    "Handler": None,
    "Runtime": None,
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "Environment": {"Variables": {}},
    "Layers": [],
    "TracingConfig": {"Mode": "PassThrough"},
    "EphemeralStorage": {"Size": 512},
    "LoggingConfig": {"LogFormat": "Text"},
    "DeadLetterConfig": {"TargetArn": ""},
    "KmsKeyArn": "",
    "SnapStart": None,
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}


class Function(AwsResource):
    """A function, its code from an asset or from the template itself."""

    resource_type = "AWS::Lambda::Function"
    service = "lambda"
    operation = "create_function"
    name_properties = ("FunctionName",)
    implemented = words("""
        FunctionName Description Handler Timeout MemorySize Environment PackageType Tags DeadLetterConfig LoggingConfig
        Role Code.S3Bucket Code.S3Key Code.S3ObjectVersion Code.ZipFile
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "Runtime": "stored and reported; the function runs on this machine's Python",
        "Layers": "they lie in a folder on Python's path; there is no /opt",
        "EphemeralStorage": "stored and reported; TMPDIR is each environment's own and has no limit",
        "Architectures": (
            "reported as they were at creation, a later change is kept in the stack's state only; the function runs on "
            "this machine's architecture"
        ),
        "ReservedConcurrentExecutions": "followed; a function has at most 8 processes here, and calls beyond them wait",
        "TracingConfig": "stored and reported; nothing is sent to X-Ray",
        "KmsKeyArn": "stored and reported; the environment is not encrypted",
        "SnapStart": "kept in the stack's state only; a function starts afresh each time",
        "RuntimeManagementConfig": "kept in the stack's state only; the runtime is this machine's Python",
        "VpcConfig": "stored and reported with a VpcId that is made up; the function's network is this machine's",
        "RecursiveLoop": "kept in the stack's state only; recursion is not detected",
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("FunctionName") or self.identity.name(limit=64)
        self.claim_if_free(name, "get_function", FunctionName=name)
        passed = (*_CONFIGURATION, "Architectures", "PackageType")
        answer = self.call(
            "create_function",
            {
                **{key: properties.get(key) for key in passed if key != "SnapStart"},
                "FunctionName": name,
                "Code": _code(properties),
                "Tags": tag_map(properties),
            },
        )
        with self.created(name):
            self._reserve(name, {}, properties)
        return Resource(name, {"Arn": answer["FunctionArn"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        if any(old.get(key) != new.get(key) for key in ("Code", "Architectures")):
            arguments = {"FunctionName": physical_id, "Architectures": new.get("Architectures")}
            self.call("update_function_code", {**arguments, **_code(new)})
        changed = {
            key: new.get(key, default)
            for key, default in _CONFIGURATION.items()
            if key != "SnapStart" and old.get(key) != new.get(key)
        }
        if changed:
            self.call("update_function_configuration", {"FunctionName": physical_id, **changed})
        self._reserve(physical_id, old, new)
        arn = self.client.get_function_configuration(FunctionName=physical_id)["FunctionArn"]
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(Resource=arn, Tags=tags),
            remove=lambda keys: self.client.untag_resource(Resource=arn, TagKeys=keys),
        )
        return Resource(physical_id, {"Arn": arn})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_function(FunctionName=physical_id)

    def _reserve(self, name: str, old: Properties, new: Properties) -> None:
        key = "ReservedConcurrentExecutions"
        if key in new:
            self.call("put_function_concurrency", {"FunctionName": name, key: new[key]})
        elif key in old:
            self.client.delete_function_concurrency(FunctionName=name)


def _code(properties: Properties) -> dict[str, Json]:
    code = dict(properties["Code"])
    if "ZipFile" in code:
        suffix = "js" if properties.get("Runtime", "").startswith("nodejs") else "py"
        code["ZipFile"] = zipped_source(f"index.{suffix}", code["ZipFile"])
    return code


def zipped_source(name: str, source: str) -> bytes:
    """One source file as a zip, the same for the same source."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o100644 << 16
        archive.writestr(entry, source)
    return buffer.getvalue()


class Permission(AwsResource):
    """A statement in a function's policy."""

    resource_type = "AWS::Lambda::Permission"
    service = "lambda"
    implemented = words("FunctionName Action")
    simulated: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("Principal", "SourceArn", "SourceAccount"),
            "judged for callers, the API Gateway, topics and buckets; the events of rules are not judged",
        ),
        **dict.fromkeys(("EventSourceToken", "PrincipalOrgID"), "stored and reported; not judged"),
    }
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        name = self.identity.name(limit=100)
        self.claim(name)
        function, qualifier = _qualified(properties["FunctionName"])
        self.call(
            "add_permission",
            {**properties, "FunctionName": function, "Qualifier": qualifier, "StatementId": name},
        )
        return Resource(name, {"Id": name})

    def delete(self, physical_id: str, properties: Properties) -> None:
        function, qualifier = _qualified(properties["FunctionName"])
        self.call(
            "remove_permission",
            {"FunctionName": function, "Qualifier": qualifier, "StatementId": physical_id},
        )


_QUALIFIED = re.compile(r"(?P<function>(?:arn:[^:]+:lambda:[^:]*:[^:]*:function:)?[^:]+)(?::(?P<qualifier>[^:]+))?")


def _qualified(name_or_arn: str) -> tuple[str, str | None]:
    """A function's name or ARN, and the version or alias that it ends in."""
    found = _QUALIFIED.fullmatch(name_or_arn)
    return (found["function"], found["qualifier"]) if found else (name_or_arn, None)


class Version(AwsResource):
    """A published version. Numbers are never given again, so that a removed version stays until its function goes."""

    resource_type = "AWS::Lambda::Version"
    service = "lambda"
    implemented = words("FunctionName Description CodeSha256")
    attributes = words("Version FunctionArn")

    def create(self, properties: Properties) -> Resource:
        function = properties["FunctionName"]
        listed = self.client.list_versions_by_function(FunctionName=function)["Versions"]
        answer = self.call("publish_version", properties)
        number, arn = answer["Version"], answer["FunctionArn"]
        if number in {version["Version"] for version in listed}:
            raise ResourceFailed(f"version {number} of {function} is what its code is now; there is nothing to publish")
        return Resource(arn, {"Version": number, "FunctionArn": arn})

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Leaves it: moto would give the number to the next version."""


class Alias(AwsResource):
    """A name for a version."""

    resource_type = "AWS::Lambda::Alias"
    service = "lambda"
    name_properties = ("FunctionName", "Name")
    implemented = words("FunctionName FunctionVersion Name Description")
    attributes = words("AliasArn")

    def create(self, properties: Properties) -> Resource:
        arn = self.call("create_alias", properties)["AliasArn"]
        return Resource(arn, {"AliasArn": arn})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.call("update_alias", {"Description": "", **new})
        return Resource(physical_id, {"AliasArn": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.call("delete_alias", {key: properties[key] for key in ("FunctionName", "Name")})


class LayerVersion(AwsResource):
    """A version of a layer."""

    resource_type = "AWS::Lambda::LayerVersion"
    service = "lambda"
    operation = "publish_layer_version"
    implemented = words("LayerName Description CompatibleRuntimes CompatibleArchitectures LicenseInfo")
    simulated: ClassVar[Mapping[str, str]] = {"Content": "it lies in a folder on Python's path; there is no /opt"}
    attributes = words("LayerVersionArn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("LayerName") or self.identity.name(limit=140)
        arn = self.call("publish_layer_version", {**properties, "LayerName": name})["LayerVersionArn"]
        return Resource(arn, {"LayerVersionArn": arn})

    def delete(self, physical_id: str, properties: Properties) -> None:
        layer, _, number = physical_id.rpartition(":")
        self.client.delete_layer_version(LayerName=layer, VersionNumber=int(number))
