"""Has CloudFormation ask the retraining loop before it changes the endpoint, which is a run's while that rolls out.

A custom resource: CloudFormation has no other place to ask, and SageMaker refuses to change an endpoint only while it
is changing. docs/decisions/deployment-guard.md says what that costs.
"""

from __future__ import annotations

from aws_cdk import CustomResource, Duration
from constructs import Construct

from cdk.endpoint import Endpoint
from cdk.retraining_loop import RetrainingLoop

ANSWER_SECONDS = 300
"""Without it, CloudFormation waits an hour for a function that never answers."""


class DeploymentGuard(Construct):
    """Updated before each change of the endpoint's config, because it names the config; the endpoint waits for it."""

    def __init__(self, scope: Construct, construct_id: str, *, endpoint: Endpoint, loop: RetrainingLoop) -> None:
        super().__init__(scope, construct_id)
        guard = CustomResource(
            self,
            "Guard",
            resource_type="Custom::DeploymentGuard",
            service_token=loop.function.function_arn,
            service_timeout=Duration.seconds(ANSWER_SECONDS),
            properties={"EndpointName": endpoint.names.endpoint, "EndpointConfigName": endpoint.config_name},
        )
        endpoint.wait_for(guard)
