"""What each resource type costs: one function a type, from the resource and the prices to lines of the table.

A type costs by time (PRICERS), only by a use that nobody has stated (BY_USE), or nothing (FREE). One that stands in
none of them is a line without a price; a test keeps every type of the templates in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from cdk.cost.lines import MILLION, CostLine
from cdk.cost.prices import HOURS_A_MONTH, PriceName, Prices
from cdk.cost.usage import CAPTURE_RECORD_BYTES, LOGGED_BYTES_A_REQUEST, Usage
from cdk.preflight.endpoints import Endpoint, endpoints_of
from cdk.preflight.gateways import GATEWAY_VARIABLE, variables_of
from cdk.preflight.installation import Json, Resource, Stack
from functions.gateway.metrics import Metric
from functions.monitor.metrics import EndpointMetric, WindowMetric

GB = 10**9
DAYS_A_MONTH = 365 / 12
MEMORY_MB_A_GB = 1024
DEFAULT_MEMORY_MB = 128
ALARMS_A_TRACKING_POLICY = 2
MONITOR_VARIABLE = "FLYBALL_PROCESSING_ROLE"
"""What tells a monitor's function from others: functions/monitor/settings.py reads it."""
LOOK_TRANSITIONS = 5
"""The start and the states of an execution of a retraining loop that finds nothing to do."""
HIGH_RESOLUTION_SECONDS = 60
"""An alarm of a shorter period is of high resolution."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a pricer is handed: the stack that a resource stands in, how it is used, and the prices."""

    stack: Stack
    usage: Usage
    prices: Prices

    def fixed(self, resource: Resource, what: str, price: PriceName, *, units: float = 1.0) -> CostLine:
        """So many units of one price, every month."""
        usd = self.prices.of(price)
        amount = None if usd is None else usd * units
        return self._line(resource, what, least=amount, most=amount, missing=price if usd is None else None)

    def metrics(self, resource: Resource, what: str, count: int) -> CostLine:
        """So many custom metrics."""
        line = self.fixed(resource, f"{count} metrics of {what}", "custom_metric_month", units=count)
        return replace(line, metrics=count)

    def ranging(self, resource: Resource, what: str, *, usd_a_unit: float | None, units: tuple[int, int]) -> CostLine:
        """Between the fewest and the most units of a price; None where it has no price."""
        least, most = (None if usd_a_unit is None else usd_a_unit * count for count in units)
        return self._line(resource, what, least=least, most=most, missing=what if usd_a_unit is None else None)

    def by_use(self, resource: Resource, what: str, price: PriceName, *, units_a_million: float) -> CostLine:
        """So many units of one price for a million requests."""
        usd = self.prices.of(price)
        return CostLine(
            stack=self.stack.name,
            package=self.stack.package_name,
            resource_type=resource.type,
            what=what,
            usd_a_million=None if usd is None else usd * units_a_million,
            requests_a_month=self.usage.requests_a_month,
            missing=price if usd is None else None,
        )

    def _line(
        self, resource: Resource, what: str, *, least: float | None, most: float | None, missing: str | None
    ) -> CostLine:
        return CostLine(
            stack=self.stack.name,
            package=self.stack.package_name,
            resource_type=resource.type,
            what=what,
            least_usd=least,
            most_usd=most,
            missing=missing,
        )


Pricer = Callable[[Resource, Pricing], Iterator[CostLine]]


def _endpoint(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    (endpoint,) = (found for found in endpoints_of(pricing.stack) if found.resource.logical_id == resource.logical_id)
    for variant in endpoint.all_variants:
        yield from _variant(endpoint, variant, pricing)
    units = pricing.usage.payload_bytes * MILLION / GB
    yield pricing.by_use(resource, "data through the endpoint", "endpoint_data_gb", units_a_million=units)


def _variant(endpoint: Endpoint, variant: Json, pricing: Pricing) -> Iterator[CostLine]:
    instance_type = variant.get("InstanceType", "a serverless variant")
    fewest, most = _instances(endpoint, variant)
    hourly = pricing.prices.of_instance(instance_type)
    monthly = None if hourly is None else hourly * HOURS_A_MONTH
    what = f"{_counted(fewest, most)} {instance_type}"
    yield pricing.ranging(endpoint.resource, what, usd_a_unit=monthly, units=(fewest, most))
    volume_gb = variant.get("VolumeSizeInGB")
    if volume_gb is not None:
        gb_month = pricing.prices.of("ml_storage_gb_month")
        monthly = None if gb_month is None else gb_month * volume_gb
        what = f"volumes of {volume_gb} GB"
        yield pricing.ranging(endpoint.resource, what, usd_a_unit=monthly, units=(fewest, most))


def _endpoint_config(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    """Captures, as they lie in S3 once the first of them expire."""
    capture, package = resource.properties.get("DataCaptureConfig", {}), pricing.stack.package
    if package is None or not (capture.get("EnableCapture") or package.config.capture.by == "gateway"):
        return
    share = capture.get("InitialSamplingPercentage", 100) / 100
    months = package.config.capture.retention_days / DAYS_A_MONTH
    record_bytes = pricing.usage.payload_bytes + CAPTURE_RECORD_BYTES
    units = record_bytes * share * MILLION / GB * months
    what = f"captures, kept {package.config.capture.retention_days} days"
    yield pricing.by_use(resource, what, "s3_gb_month", units_a_million=units)


def _function(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    """A gateway function answers the package's requests, a monitor publishes metrics; of others nothing is known."""
    variables = variables_of(resource)
    if MONITOR_VARIABLE in variables:
        yield from _monitor(resource, pricing)
    elif GATEWAY_VARIABLE in variables:
        yield from _gateway(resource, pricing)


def _monitor(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    """All of its metrics, though some need labels, and a field's only exists while windows close."""
    yield pricing.metrics(resource, "windows", len(WindowMetric) + len(EndpointMetric))
    if pricing.usage.monitored_fields:
        yield pricing.metrics(resource, "fields", pricing.usage.monitored_fields)


def _gateway(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    memory_gb = resource.properties.get("MemorySize", DEFAULT_MEMORY_MB) / MEMORY_MB_A_GB
    seconds = pricing.usage.seconds_a_request * MILLION
    logged_gb = LOGGED_BYTES_A_REQUEST * MILLION / GB
    yield pricing.metrics(resource, "requests", len(Metric))
    yield pricing.by_use(resource, "API calls", "api_call_million", units_a_million=1)
    yield pricing.by_use(resource, "invocations", "lambda_request_million", units_a_million=1)
    yield pricing.by_use(resource, "time of the function", "lambda_gb_second", units_a_million=seconds * memory_gb)
    yield pricing.by_use(resource, "logs", "logs_gb", units_a_million=logged_gb)


def _key(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.fixed(resource, "key", "kms_key_month")


def _alarm(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    metrics = [metric for metric in resource.properties.get("Metrics", []) if "MetricStat" in metric]
    periods = [metric["MetricStat"]["Period"] for metric in metrics] or [resource.properties.get("Period", 60)]
    # Anomaly detection adds the two edges of its band to the metric.
    watched = len(periods) + (2 if "ThresholdMetricId" in resource.properties else 0)
    price = _alarm_price(min(periods))
    yield pricing.fixed(resource, "alarm" if watched == 1 else f"alarm of {watched} metrics", price, units=watched)


def _composite_alarm(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.fixed(resource, "composite alarm", "composite_alarm_month")


def _metric_filter(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.metrics(resource, "log lines", len(resource.properties.get("MetricTransformations", [])))


def _dashboard(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.fixed(resource, "dashboard", "dashboard_month")


def _scaling_policy(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    """Target tracking makes an alarm to scale out and one to scale in."""
    tracking = resource.properties.get("TargetTrackingScalingPolicyConfiguration")
    if tracking is not None:
        metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
        price = _alarm_price(10 if metric.endswith("HighResolution") else HIGH_RESOLUTION_SECONDS)
        yield pricing.fixed(resource, "alarms of the scaling", price, units=ALARMS_A_TRACKING_POLICY)


def _web_acl(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    rules = len(resource.properties.get("Rules", []))
    yield pricing.fixed(resource, "web ACL", "web_acl_month")
    yield pricing.fixed(resource, f"{rules} rules", "web_acl_rule_month", units=rules)
    yield pricing.by_use(resource, "requests inspected", "web_acl_request_million", units_a_million=1)


def _vpc_endpoint(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    """An interface endpoint costs by the hour and zone; a gateway endpoint nothing."""
    if resource.properties.get("VpcEndpointType") == "Interface":
        zones = len(resource.properties.get("SubnetIds", [None]))
        hours = zones * HOURS_A_MONTH
        yield pricing.fixed(resource, f"interface in {zones} zones", "interface_endpoint_hour", units=hours)


def _nat_gateway(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.fixed(resource, "NAT gateway", "nat_gateway_hour", units=HOURS_A_MONTH)


def _address(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.fixed(resource, "public address", "public_address_hour", units=HOURS_A_MONTH)


def _parameter(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    if resource.properties.get("Tier", "Standard") == "Advanced":
        yield pricing.fixed(resource, "advanced parameter", "advanced_parameter_month")


def _secret(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    yield pricing.fixed(resource, "secret", "secret_month")


def _state_machine(resource: Resource, pricing: Pricing) -> Iterator[CostLine]:
    """A retraining loop that looks each hour whether there is anything to do; what a run costs stands apart."""
    package = pricing.stack.package
    if package is not None and package.config.retraining.triggers:
        units = LOOK_TRANSITIONS * HOURS_A_MONTH
        yield pricing.fixed(resource, "looks each hour", "state_transition", units=units)


PRICERS: Mapping[str, Pricer] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite_alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::EC2::EIP": _address,
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::VPCEndpoint": _vpc_endpoint,
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SageMaker::Endpoint": _endpoint,
    "AWS::SageMaker::EndpointConfig": _endpoint_config,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _state_machine,
    "AWS::WAFv2::WebACL": _web_acl,
}

BY_USE: Mapping[str, str] = {
    "AWS::Cognito::UserPool": "users of the pool",
    "AWS::DynamoDB::Table": "reads, writes and storage of tables",
    "AWS::EC2::FlowLog": "flow logs",
    "AWS::Events::Rule": "events",
    "AWS::SNS::Topic": "messages",
    "AWS::SQS::Queue": "messages",
    "AWS::S3::Bucket": "storage and requests of buckets, captures excepted",
    "AWS::Scheduler::Schedule": "invocations of schedules",
    "AWS::StepFunctions::StateMachine": "runs of the retraining loops",
    "AWS::Logs::LogGroup": "logs of everything but requests, and their storage",
}
"""Costs by a use that package.toml does not state: named beside the table, and not in it."""

FREE = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::CDK::Metadata",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::Events::EventBus",
    "AWS::KMS::Alias",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::ResourcePolicy",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::WAFv2::WebACLAssociation",
)
"""Costs nothing by itself."""
FREE_SERVICES = ("AWS::ApiGateway::", "AWS::CloudFormation::", "AWS::IAM::", "Custom::")
"""Every type of theirs costs nothing by itself; calls of the API stand with the gateway functions."""


def lines_of(stack: Stack, *, usage: Usage, prices: Prices) -> Iterator[CostLine]:
    """Every line of one stack. A type that nobody has classified is a line without a price."""
    pricing = Pricing(stack=stack, usage=usage, prices=prices)
    for resource in stack.resources():
        if resource.type in PRICERS:
            yield from PRICERS[resource.type](resource, pricing)
        elif not is_classified(resource.type):
            missing = f"{resource.type}: classify it in cdk/cost/pricing.py"
            yield CostLine(
                stack=stack.name,
                package=stack.package_name,
                resource_type=resource.type,
                what=resource.logical_id,
                least_usd=None,
                most_usd=None,
                missing=missing,
            )


def is_classified(resource_type: str) -> bool:
    """Whether the type costs by time, by use, or nothing."""
    known = resource_type in PRICERS or resource_type in BY_USE or resource_type in FREE
    return known or resource_type.startswith(FREE_SERVICES)


def _alarm_price(period_seconds: int) -> PriceName:
    return "high_resolution_alarm_month" if period_seconds < HIGH_RESOLUTION_SECONDS else "alarm_month"


def _instances(endpoint: Endpoint, variant: Json) -> tuple[int, int]:
    """The fewest and the most instances of a variant."""
    initial = int(variant.get("InitialInstanceCount", 1))
    for target in endpoint.scalable_targets_of(str(variant.get("VariantName"))):
        return int(target.properties["MinCapacity"]), int(target.properties["MaxCapacity"])
    return initial, initial


def _counted(fewest: int, most: int) -> str:
    return f"{fewest} x" if fewest == most else f"{fewest} to {most} x"
