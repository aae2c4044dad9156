"""A layer whose content changes: the next version under its name, the former one until all else has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.errors import StackFailed
from local.deploy.resources.lambda_ import zipped_source
from local.deploy.state import InMemoryStore
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

FUNCTION, LAYER = "flowers-monitor", "flowers-libraries"
TRUST: Json = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
FAILING: Json = {
    "Type": "AWS::SSM::Parameter",
    "DependsOn": "Function",
    "Properties": {"Name": "/taken", "Type": "String", "Value": "x"},
}


@dataclass
class Bench:
    """An engine over moto, and what it has told."""

    cloud: MotoCloud
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lambda_: Any = self.cloud.clients("lambda")
        s3: Any = self.cloud.clients("s3")
        s3.create_bucket(Bucket="assets")
        for name in ("old", "new"):
            s3.put_object(Bucket="assets", Key=f"{name}.zip", Body=zipped_source(f"python/{name}.py", "x = 1"))
        self.engine = Engine(
            clients=self.cloud.clients,
            store=InMemoryStore(),
            clock=ManualClock(),
            on_event=lambda event: self.told.append((event.logical_id, str(event.status))),
            receiver=DeafReceiver(),
        )

    def deploy(self, content: str, **more: Json) -> str:
        resources: Json = {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
            "Layer": {
                "Type": "AWS::Lambda::LayerVersion",
                "Properties": {"LayerName": LAYER, "Content": {"S3Bucket": "assets", "S3Key": f"{content}.zip"}},
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": FUNCTION,
                    "Runtime": "python3.14",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": "pass"},
                    "Layers": [{"Ref": "Layer"}],
                },
            },
            **more,
        }
        stack = AssemblyStack(name="s", template={"Resources": resources}, parameters={})
        return str(self.engine.execute(self.engine.plan(stack)).result)

    def versions(self) -> list[int]:
        listed = self.lambda_.list_layer_versions(LayerName=LAYER)["LayerVersions"]
        return [version["Version"] for version in listed]

    def used(self) -> int:
        (layer,) = self.lambda_.get_function_configuration(FunctionName=FUNCTION)["Layers"]
        return int(layer["Arn"].rpartition(":")[2])


@pytest.fixture
def bench() -> Iterator[Bench]:
    with moto_cloud() as cloud:
        yield Bench(cloud)


def test_other_content_is_another_version_and_the_former_goes_last(bench: Bench) -> None:
    bench.deploy("old")
    bench.told.clear()

    bench.deploy("new")

    assert (bench.versions(), bench.used()) == ([2], 2)
    assert bench.told.index(("Function", "UPDATE_COMPLETE")) < bench.told.index(("Layer", "DELETE_COMPLETE"))


def test_the_same_content_changes_nothing(bench: Bench) -> None:
    bench.deploy("old")

    assert bench.deploy("old") == "unchanged"
    assert (bench.versions(), bench.used()) == ([1], 1)


def test_a_failed_update_leaves_the_function_with_the_version_that_it_had(bench: Bench) -> None:
    bench.deploy("old")
    bench.cloud.clients("ssm").put_parameter(Name="/taken", Value="y", Type="String")

    with pytest.raises(StackFailed):
        bench.deploy("new", Failing=FAILING)

    assert (bench.versions(), bench.used()) == ([1], 1)


def test_the_former_content_is_published_again_under_another_number(bench: Bench) -> None:
    bench.deploy("old")
    bench.deploy("new")

    bench.deploy("old")

    assert (bench.versions(), bench.used()) == ([3], 3)


def test_destroying_leaves_no_version(bench: Bench) -> None:
    bench.deploy("old")

    bench.engine.destroy("s")

    assert bench.versions() == []
