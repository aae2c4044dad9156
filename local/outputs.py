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


def by_package(stacks: list[Outputs]) -> dict[str, Outputs]:
    """Those of the packages' stacks, by package."""
    return {stack["Package"]: stack for stack in stacks if "Package" in stack}
