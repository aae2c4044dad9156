"""Small packages and quick synths for the tests of `cdk/`: no training, no function builds, no user code.

`python -m tests.cdk.synth FOLDER` makes an assembly there; the test that validates templates runs it as a process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NODE = Path(sys.executable).with_name("node")
if _NODE.is_file():
    os.environ.setdefault("JSII_NODE", str(_NODE))
os.environ.setdefault("CDK_VALIDATION", "false")  # 8 seconds a synth; one slow test leaves it on

from aws_cdk import App  # noqa: E402 - jsii reads the environment when it is imported
from aws_cdk.assertions import Template  # noqa: E402

from app import assemble  # noqa: E402
from cdk.function_asset import Asset, FunctionAsset, FunctionName  # noqa: E402
from cdk.sources import BASELINE_FILE, Sources  # noqa: E402
from model_packages.contract import PackageConfig  # noqa: E402
from model_packages.discovery import ModelPackage  # noqa: E402

ROOT = Path(__file__).parents[2]
CONTEXT: Mapping[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]

CONFIG: Mapping[str, Any] = {
    "description": "Sorts flowers by their leaves",
    "task": "multiclass_classification",
    "gate": {"metric": "accuracy", "minimum": 0.9},
}

Json = dict[str, Any]

EXISTING_VPC: Json = {
    "mode": "existing",
    "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "security_group_ids": ["sg-0123456789abcdef0"],
}
VARIATIONS: Mapping[str, Json] = {
    "dev": {"environment": "dev"},
    "prod": {
        "environment": "prod",
        "alarm_email": "watch@example.com",
        "alarm_topic_arn": "arn:aws:sns:us-east-1:210987654321:pager",
    },
    "vpc": {"vpc": {"mode": "create", "availability_zones": 3, "s3_prefix_list": "pl-63a5400a"}},
    "guarded": {"authorization": "cognito", "waf": True},
    "existing-vpc": {"vpc": EXISTING_VPC},
}
"""Installations that differ from the sample in what an environment, a VPC or another authorisation changes, by name."""


@dataclass(frozen=True)
class Assembly:
    """A synthesized app."""

    folder: Path

    def template(self, stack: str = "platform") -> Json:
        """A stack's template: `platform`, or the package's AWS name."""
        content: Json = json.loads((self.folder / f"flyball-{stack}.template.json").read_text(encoding="utf-8"))
        return content

    def assertions(self, stack: str = "platform") -> Template:
        return Template.from_json(self.template(stack))

    def resources(self, resource_type: str, stack: str = "platform") -> dict[str, Json]:
        """Properties by logical id."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.template(stack)["Resources"].items()
            if resource["Type"] == resource_type
        }

    def only(self, resource_type: str, stack: str = "platform") -> Json:
        """The properties of the one resource of that type."""
        (properties,) = self.resources(resource_type, stack).values()
        return properties

    def function(self, name: str, stack: str) -> Json:
        """The Lambda function that is called so."""
        functions = self.resources("AWS::Lambda::Function", stack).values()
        (properties,) = (each for each in functions if each["FunctionName"] == f"flyball-{stack}-{name}")
        return properties

    def alarms(self, stack: str) -> dict[str, Json]:
        """Metric alarms by the name that the table has for them."""
        alarms = self.resources("AWS::CloudWatch::Alarm", stack).values()
        return {alarm["AlarmName"].removeprefix(f"flyball-{stack}-"): alarm for alarm in alarms}

    @property
    def stacks(self) -> list[str]:
        """What `template` takes."""
        files = self.folder.glob("*.template.json")
        return sorted(path.name.removesuffix(".template.json").removeprefix("flyball-") for path in files)


@dataclass(frozen=True)
class Workshop:
    """Makes packages and assemblies below one folder."""

    folder: Path

    def package(self, name: str = "flowers", **sections: Mapping[str, Any]) -> ModelPackage:
        """A trained package whose package.toml has `sections` beside what it must have."""
        path = self.folder / "model_packages" / name
        (path / "data").mkdir(parents=True, exist_ok=True)
        (path / "data" / "records.jsonl").write_text("{}\n", encoding="utf-8")
        (path / "schema.py").write_text("raise RuntimeError('a synth imported user code')\n", encoding="utf-8")
        package = ModelPackage(name=name, path=path, config=PackageConfig.model_validate({**CONFIG, **sections}))
        self.train(package)
        return package

    def train(self, package: ModelPackage) -> None:
        """Leaves what training would leave."""
        artifact = self.sources([]).initial_artifact(package)
        artifact.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_bytes(f"the model {package.name}".encode())
        baseline = self.sources([]).initial_baseline(package)
        baseline.mkdir(exist_ok=True)
        (baseline / BASELINE_FILE).write_text(json.dumps({"package": package.name}), encoding="utf-8")

    def sources(self, packages: Sequence[ModelPackage]) -> Sources:
        return Sources(
            tuple(packages),
            build_folder=self.folder / "build",
            build_function=_function_asset,
            build_layer=_layer_asset,
        )

    def synthesize(
        self, packages: Sequence[ModelPackage], *, out: str = "out", environment: str = "staging", **settings: Any
    ) -> Assembly:
        """Of `staging`, which has everything as packages declare it, under the names of `dev`, which everybody knows.

        Raises whatever a synth raises, cdk-nag's findings included.
        """
        table = {"prefix": "flyball", **settings}
        shared = {**CONTEXT["flyball"], "environments": {environment: table}}
        context = {**CONTEXT, "flyball": shared, "environment": environment}
        app = App(analytics_reporting=False, context=context, outdir=str(self.folder / out))
        assemble(app, self.sources(packages))
        app.synth()
        return Assembly(self.folder / out)


def sample_packages(workshop: Workshop) -> list[ModelPackage]:
    """One that scales on GPUs behind a canary, and one of a single CPU instance."""
    single = {"instance_type": "ml.m5.large", "minimum_instances": 1, "maximum_instances": 1}
    return [
        workshop.package("flowers"),
        workshop.package("house_prices", endpoint=single, rollout={"strategy": "all_at_once"}),
    ]


def walk(value: Any) -> Iterator[Any]:
    """`value` and everything in it."""
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(child)


def _function_asset(function: FunctionName, *, packages: Sequence[ModelPackage], build_folder: Path) -> FunctionAsset:
    """Stands in for a build: the names of what would be packed."""
    folder = build_folder / "functions" / "-".join([function, *(package.name for package in packages)])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "handler.py").write_text(f"# {folder.name}\n", encoding="utf-8")
    return FunctionAsset(path=folder, asset_hash=folder.name, handler=f"functions.{function}.handler.handler")


def _layer_asset(*, build_folder: Path) -> Asset:
    """Stands in for the libraries."""
    folder = build_folder / "functions" / "libraries"
    (folder / "python").mkdir(parents=True, exist_ok=True)
    (folder / "python" / "library.py").write_text("# a library\n", encoding="utf-8")
    return Asset(path=folder, asset_hash=folder.name)


if __name__ == "__main__":
    workshop = Workshop(Path(sys.argv[1]))
    workshop.synthesize(sample_packages(workshop))
