"""Keeps the requests in flight on one instance near the package's number, by adding and removing instances.

SageMaker refuses to change the instance type of a variant that scales. Set maximum_instances to minimum_instances,
deploy, change the type, deploy, and set it back.
"""

from __future__ import annotations

from aws_cdk import aws_applicationautoscaling as autoscaling
from constructs import Construct

from cdk.endpoint import Endpoint
from cdk.names import VARIANT

METRIC = "SageMakerVariantConcurrentRequestsPerModelHighResolution"  # every ten seconds, not every minute
SCALE_OUT_COOLDOWN_SECONDS = 60
SCALE_IN_COOLDOWN_SECONDS = 600  # a new instance takes minutes, so one is given up slowly


class Scaling(Construct):
    """Target tracking on the endpoint's one variant; nothing where the package gives it no room to scale."""

    def __init__(self, scope: Construct, construct_id: str, *, endpoint: Endpoint) -> None:
        super().__init__(scope, construct_id)
        if endpoint.scales:
            self._track(endpoint)

    def _track(self, endpoint: Endpoint) -> None:
        settings = endpoint.names.package.config.endpoint
        target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{endpoint.name}/variant/{VARIANT}",
            min_capacity=settings.minimum_instances,
            max_capacity=settings.maximum_instances,
        )
        autoscaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name="concurrency",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_tracking(settings.concurrency_per_instance),
        )


def _tracking(
    concurrency_per_instance: int,
) -> autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    return autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=concurrency_per_instance,
        scale_out_cooldown=SCALE_OUT_COOLDOWN_SECONDS,
        scale_in_cooldown=SCALE_IN_COOLDOWN_SECONDS,
        predefined_metric_specification=autoscaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
            predefined_metric_type=METRIC
        ),
    )
