"""The cost of a small installation against sums made by hand; that costs add up, grow, and are never guessed."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk.cost import table
from cdk.cost.estimate import Estimate, estimate
from cdk.cost.lines import Total, total
from cdk.cost.prices import Price, PriceName, Prices
from cdk.cost.pricing import is_classified
from cdk.preflight.installation import Installation, Stack, read_installation
from functions.gateway.metrics import Metric
from functions.monitor.metrics import EndpointMetric, WindowMetric
from tests.cdk.preflight.templates import SNAPSHOTS, Flowers, Json, examples, package, stack

NAMES: dict[PriceName, float] = {
    "alarm_month": 0.10,
    "high_resolution_alarm_month": 0.30,
    "composite_alarm_month": 0.50,
    "dashboard_month": 3.0,
    "custom_metric_month": 0.30,
    "kms_key_month": 1.0,
    "ml_storage_gb_month": 0.14,
    "endpoint_data_gb": 0.016,
    "api_call_million": 3.5,
    "lambda_request_million": 0.2,
    "lambda_gb_second": 0.00002,
    "logs_gb": 0.5,
    "s3_gb_month": 0.02,
    "web_acl_month": 5.0,
    "web_acl_rule_month": 1.0,
    "web_acl_request_million": 0.6,
    "interface_endpoint_hour": 0.01,
    "state_transition": 0.00003,
}
PRICES = Prices(
    region="us-east-1",
    currency="USD",
    date=datetime.date(2026, 11, 22),
    sources={"test": "round figures"},
    instance_hour={"ml.small": Price(usd=0.1, source="test"), "ml.large": Price(usd=1.0, source="test")},
    price={name: Price(usd=usd, source="test") for name, usd in NAMES.items()},
)


def resource(resource_type: str, **properties: Any) -> Json:
    return {"Type": resource_type, "Properties": properties}


def endpoint(instance_type: str = "ml.large", *, least: int = 2, most: int | None = None, **variant: Any) -> Json:
    """An endpoint, its config and, where it scales, its target."""
    served = {"VariantName": "main", "InstanceType": instance_type, "InitialInstanceCount": least, **variant}
    resources = {
        "Config": resource("AWS::SageMaker::EndpointConfig", ProductionVariants=[served]),
        "Endpoint": resource(
            "AWS::SageMaker::Endpoint",
            EndpointName="flowers",
            EndpointConfigName={"Fn::GetAtt": ["Config", "EndpointConfigName"]},
        ),
    }
    if most is not None:
        resources["Target"] = resource(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            ResourceId="endpoint/flowers/variant/main",
            MinCapacity=least,
            MaxCapacity=most,
        )
    return resources


def cost(*stacks: Stack) -> Estimate:
    return estimate(Installation(stacks=stacks, artifacts={}, cuda="13.0"), prices=PRICES)


def of(resources: Json) -> Total:
    return cost(stack({"Resources": resources})).total


def test_an_endpoint_costs_its_instances_for_730_hours() -> None:
    assert of(endpoint(least=2, most=5)) == Total(1460.0, 3650.0, 0.0, 0.0)


def test_a_volume_of_a_stated_size_costs_for_each_instance() -> None:
    sized = of(endpoint("ml.small", least=2, most=3, VolumeSizeInGB=50))

    assert sized.least_usd == pytest.approx(2 * 73 + 2 * 50 * 0.14)
    assert sized.most_usd == pytest.approx(3 * 73 + 3 * 50 * 0.14)


def test_a_small_installation_costs_what_a_person_adds_up() -> None:
    tracking = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ConcurrencyHighResolution"}}
    template = {
        **endpoint("ml.small", least=1, most=2),
        "Key": resource("AWS::KMS::Key"),
        "Latency": resource("AWS::CloudWatch::Alarm", Period=60),
        "Quick": resource("AWS::CloudWatch::Alarm", Period=10),
        "Both": resource("AWS::CloudWatch::CompositeAlarm"),
        "Board": resource("AWS::CloudWatch::Dashboard"),
        "Policy": resource(
            "AWS::ApplicationAutoScaling::ScalingPolicy", TargetTrackingScalingPolicyConfiguration=tracking
        ),
        "Private": resource("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"]),
        "S3": resource("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway", SubnetIds=[]),
        "Firewall": resource("AWS::WAFv2::WebACL", Rules=[{}, {}, {}]),
        "Role": resource("AWS::IAM::Role"),
    }

    found = of(template)

    fixed = 1.0 + 0.1 + 0.3 + 0.5 + 3.0 + 2 * 0.3 + 2 * 7.3 + 5.0 + 3 * 1.0
    assert found.least_usd == pytest.approx(73 + fixed)
    assert found.most_usd == pytest.approx(146 + fixed)
    assert found.usd_a_million == pytest.approx(0.6)


def test_use_costs_by_the_million_and_by_the_stated_requests(tmp_path: Path) -> None:
    examples(tmp_path, request="x" * 998, response="y" * 498)  # 1,000 and 500 bytes with their quotes
    config: Json = {
        "budget": {"requests_per_month": 2_000_000},
        "rollout": {"maximum_p99_latency_ms": 100.0},
        "capture": {"percent": 50, "retention_days": 365},
    }
    template = {
        **endpoint("ml.small", least=1),
        "Gateway": resource(
            "AWS::Lambda::Function", MemorySize=512, Environment={"Variables": {"FLYBALL_TIMEOUT_SECONDS": "1"}}
        ),
    }
    template["Config"]["Properties"]["DataCaptureConfig"] = {"EnableCapture": True, "InitialSamplingPercentage": 50}

    found = cost(stack({"Resources": template}, package=package(tmp_path, **config))).total

    calls, invocations, time = 3.5, 0.2, 0.1 * 1e6 * 0.5 * 0.00002
    logs, data = 2.048 * 0.5, 1.5 * 0.016
    captures = (1500 + 512) / 1000 * 0.5 * 12 * 0.02
    assert found.usd_a_million == pytest.approx(calls + invocations + time + logs + data + captures)
    assert found.used_usd == pytest.approx(2 * (found.usd_a_million or 0))
    assert found.least_usd == pytest.approx(73 + len(Metric) * 0.3)


def test_a_price_that_is_not_in_the_file_is_unknown_and_never_nothing() -> None:
    found = cost(stack({"Resources": {**endpoint("ml.strange"), "Key": resource("AWS::KMS::Key")}}))

    assert found.total.least_usd is None
    assert "unknown" in table.text(found)
    assert "No price of 2 x ml.strange: add it to cdk/cost/prices/us-east-1.toml." in table.text(found)


def test_a_resource_type_that_nobody_classified_is_unknown_too() -> None:
    found = cost(stack({"Resources": {"Cluster": resource("AWS::EKS::Cluster")}}))

    assert found.total.monthly_usd is None
    assert "AWS::EKS::Cluster" in table.text(found)


@pytest.mark.parametrize("name", [path.stem for path in sorted(SNAPSHOTS.glob("*.json"))])
def test_every_type_of_the_agreed_templates_is_classified(name: str) -> None:
    template = json.loads((SNAPSHOTS / f"{name}.json").read_text(encoding="utf-8"))

    types = {each["Type"] for each in template["Resources"].values()}

    assert {each for each in types if not is_classified(each)} == set()


RESOURCES = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.sampled_from(
        [
            resource("AWS::KMS::Key"),
            resource("AWS::CloudWatch::Alarm", Period=60),
            resource("AWS::CloudWatch::Dashboard"),
            resource("AWS::WAFv2::WebACL", Rules=[{}]),
            resource("AWS::IAM::Role"),
        ]
    ),
)


@given(st.lists(RESOURCES, max_size=4))
def test_the_cost_of_stacks_is_the_sum_of_their_costs(templates: list[Json]) -> None:
    stacks = [stack({"Resources": each}, name=f"stack-{index}") for index, each in enumerate(templates)]

    together = cost(*stacks)

    apart = [line for each in stacks for line in cost(each).lines]
    assert list(together.lines) == apart
    assert together.total == total(apart)


@given(least=st.integers(1, 50), more=st.integers(0, 50), extra=st.integers(1, 50))
def test_more_instances_never_cost_less(least: int, more: int, extra: int) -> None:
    here, larger = of(endpoint(least=least, most=least + more)), of(endpoint(least=least, most=least + more + extra))

    assert larger.least_usd == here.least_usd
    assert (here.least_usd or 0) <= (here.most_usd or 0) < (larger.most_usd or 0)


def test_the_table_and_the_document_agree(flowers: Flowers) -> None:
    found = estimate(flowers.installation())

    document = table.document(found)

    monthly = document["packages"]["flowers"]["monthly_usd"]
    assert f"${monthly:,.2f}" in table.text(found)
    assert document["total"]["monthly_usd"] == pytest.approx(
        sum(each["monthly_usd"] for each in document["packages"].values())
    )
    assert document["prices"]["date"] in table.text(found)
    assert json.loads(json.dumps(document)) == document


def test_a_region_without_a_price_file_is_named_beside_the_prices(flowers: Flowers) -> None:
    installation = flowers.installation()
    abroad = replace(installation, stacks=tuple(replace(each, region="eu-west-3") for each in installation.stacks))

    found = estimate(abroad)

    assert found.prices.region == "us-east-1"
    assert "there is no price file for eu-west-3" in table.text(found).splitlines()[0]


def watched(tmp_path: Path, *, fields: int, monitor: Json | None = None) -> Installation:
    """A gateway, a monitor, two alarms, one of them of three metrics, a composite one and a dashboard."""
    queries = [{"MetricStat": {"Period": 300}}] * 3
    template = {
        "Gateway": resource("AWS::Lambda::Function", Environment={"Variables": {"FLYBALL_TIMEOUT_SECONDS": "1"}}),
        "Monitor": resource("AWS::Lambda::Function", Environment={"Variables": {"FLYBALL_PROCESSING_ROLE": "arn"}}),
        "Latency": resource("AWS::CloudWatch::Alarm", Period=60),
        "Failed": resource("AWS::CloudWatch::Alarm", Metrics=[{"Expression": "a / b"}, *queries]),
        "Page": resource("AWS::CloudWatch::CompositeAlarm"),
        "Board": resource("AWS::CloudWatch::Dashboard"),
    }
    one = stack({"Resources": template}, package=package(tmp_path, monitor=monitor or {}))
    return Installation(stacks=(one,), artifacts={}, cuda="13.0", fields={"flowers": fields})


def test_what_watching_a_model_costs_is_one_line(tmp_path: Path) -> None:
    found = estimate(watched(tmp_path, fields=9), prices=PRICES)

    of_ours = len(Metric) + len(WindowMetric) + len(EndpointMetric)
    (line,) = (line for line in table.text(found).splitlines() if line.startswith("  Watching"))
    assert line == (
        f"  Watching flowers: {of_ours + 9} metrics, 9 of them of fields: ${(of_ours + 9) * 0.3:.2f}; "
        "3 alarms, 1 of them composite: $0.90; dashboard: $3.00."
    )


@pytest.mark.parametrize(
    ("monitor", "fields"),
    [({}, 9), ({"field_metrics": False}, 0), ({"fields": {"amount": {"watch": False}, "hour": {"tolerance": 0.1}}}, 8)],
)
def test_a_field_costs_where_it_is_watched_and_has_a_metric(tmp_path: Path, monitor: Json, fields: int) -> None:
    found = estimate(watched(tmp_path, fields=9, monitor=monitor), prices=PRICES)

    counted = [line.metrics for line in found.lines if line.what.endswith("of fields")]
    assert sum(counted) == fields


def test_the_fields_are_those_of_the_first_versions_baseline(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "flowers" / "baseline"
    folder.mkdir(parents=True)
    (folder / "baseline.json").write_text(json.dumps({"fields": [{"name": "a"}, {"name": "b"}]}), encoding="utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {}}), encoding="utf-8")

    found = read_installation(tmp_path, packages=[package(tmp_path)], models=tmp_path / "models")

    assert found.fields == {"flowers": 2}
