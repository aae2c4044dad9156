"""What the deployed stacks say of themselves, asked of CloudFormation each time: anyone may deploy meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Outputs: TypeAlias = Mapping[str, str]
"""One stack's outputs: EndpointName, GatewayFunction and so on."""


def stack_outputs(cloudformation: Any) -> list[Outputs]:
    """Of every stack that `cloudformation`, a client of the service, knows."""
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return [
        {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
        for page in pages
        for stack in page["Stacks"]
    ]


def captures_bucket(stacks: list[Outputs]) -> str | None:
    """What the platform's stack says; None where none is deployed."""
    return _of_platform(stacks, "CapturesBucket")


def artifacts_bucket(stacks: list[Outputs]) -> str | None:
    """The same of trained versions and of the retraining loop's state."""
    return _of_platform(stacks, "ArtifactsBucket")


def _of_platform(stacks: list[Outputs], output: str) -> str | None:
    return next((stack[output] for stack in stacks if output in stack), None)


def platforms(cloudformation: Any) -> list[str]:
    """The names of the stacks that have an API: one an environment."""
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    stacks = [stack for page in pages for stack in page["Stacks"]]
    return [
        stack["StackName"]
        for stack in stacks
        if any(output["OutputKey"] == "ApiUrl" for output in stack.get("Outputs", ()))
    ]


def by_package(stacks: list[Outputs]) -> dict[str, Outputs]:
    """Those of the packages' stacks, by package."""
    return {stack["Package"]: stack for stack in stacks if "Package" in stack}
