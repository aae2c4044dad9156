"""CDK's real command line against a running local cloud, with nothing set but the address and dummy credentials.

One cloud serves all tests, in the order in which they stand here: what one leaves, the next finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.client import aws_client
from tests.local.checkout import ROOT, Checkout, give_version, make_checkout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "node_modules" / "aws-cdk").is_dir(), reason="`make setup` has not been run"),
]

PLATFORM, DIGITS, TOOLKIT = "flyball-platform", "flyball-digits", "CDKToolkit"
BUCKET = "cdk-hnb659fds-assets-123456789012-us-east-1"
REPOSITORY = "cdk-hnb659fds-container-assets-123456789012-us-east-1"


@dataclass
class Printed:
    """What a command printed, and its exit code."""

    code: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    def ok(self) -> Printed:
        assert self.code == 0, self.output
        return self


@dataclass
class Operator:
    """Somebody with a checkout, a running cloud and the command line."""

    checkout: Checkout

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.checkout.cloud_port}"

    def client(self, service: str) -> Any:
        return aws_client(service, endpoint_url=self.endpoint_url)

    def cdk(self, *arguments: str, assembly: Path | None = None) -> Printed:
        """Runs one command; with `assembly` nothing is synthesized."""
        done = self.checkout.cdk(*arguments, *(["--app", str(assembly)] if assembly else []))
        return Printed(done.returncode, done.stdout)

    def deploy(self, *arguments: str, assembly: Path | None = None) -> Printed:
        return self.cdk("deploy", *arguments, "--require-approval", "never", "--progress", "events", assembly=assembly)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.checkout.root / file
        content = path.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {file}"
        path.write_text(content.replace(old, new), encoding="utf-8")

    def status(self, stack_name: str) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        return str(stack["StackStatus"])

    def stacks(self) -> set[str]:
        return {stack["StackName"] for stack in self.client("cloudformation").describe_stacks()["Stacks"]}

    def events(self, stack_name: str) -> list[tuple[str, str, str]]:
        """Logical id, status and reason of the last operation's events, the oldest first."""
        found = self.client("cloudformation").describe_stack_events(StackName=stack_name)["StackEvents"]
        token = found[0]["ClientRequestToken"]
        own = [event for event in reversed(found) if event.get("ClientRequestToken") == token]
        return [
            (event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason", ""))
            for event in own
        ]

    def predict(self) -> Printed:
        done = self.checkout.flyball("invoke", "digits")
        return Printed(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    checkout = make_checkout(tmp_path_factory.mktemp("operator") / "flyball", packages=["digits"])
    give_version(checkout, "digits")
    serving = checkout.up()
    try:
        yield Operator(checkout)
    finally:
        serving.stop()


@pytest.fixture
def assembly(operator: Operator) -> Path:
    """What `flyball up`, or the last `cdk` that synthesized, has left."""
    return operator.checkout.root / "cdk.out"


def test_after_flyball_up_the_command_line_finds_nothing_to_bootstrap_and_nothing_to_deploy(operator: Operator) -> None:
    bootstrapped = operator.cdk("bootstrap").ok()
    deployed = operator.deploy("--all").ok()

    assert "bootstrapped (no changes)" in bootstrapped.output
    assert f"✅  {PLATFORM} (no changes)" in deployed.lines
    assert f"✅  {DIGITS} (no changes)" in deployed.lines
    assert f"{DIGITS}.EndpointName = flyball-digits" in deployed.lines


def test_there_is_no_difference_then(operator: Operator, assembly: Path) -> None:
    printed = operator.cdk("diff", assembly=assembly).ok()

    assert "Number of stacks with differences: 0" in printed.output


def test_flyball_diff_runs_it_too_and_compares_the_cost(operator: Operator) -> None:
    declared = operator.checkout.root / "model_packages" / "digits" / "package.toml"
    before = declared.read_text(encoding="utf-8")

    unchanged = operator.checkout.flyball("diff")
    declared.write_text(before.replace("ml.g6.xlarge", "ml.c7i.xlarge"), encoding="utf-8")
    changed = operator.checkout.flyball("diff", "--json")
    declared.write_text(before, encoding="utf-8")

    assert "Number of stacks with differences: 0" in unchanged.stdout, unchanged.stderr
    assert "  digits: $" in unchanged.stdout
    assert ", no change" in unchanged.stdout
    assert "[~] AWS::SageMaker::EndpointConfig" in changed.stderr
    (digits,) = (each for each in json.loads(changed.stdout) if each["owner"] == "digits")
    assert any(line.startswith("AWS::SageMaker::Endpoint 2 to 4 x ml.g6.xlarge: $") for line in digits["gone"])
    assert any(line.startswith("AWS::SageMaker::Endpoint 2 to 4 x ml.c7i.xlarge: $") for line in digits["new"])
    assert digits["difference_usd"] < -1000


def test_a_setting_that_is_edited_is_seen_by_diff_and_changed_in_place(operator: Operator, assembly: Path) -> None:
    operator.edit("cdk.json", '"burst": 200', '"burst": 150')

    difference = operator.cdk("diff", PLATFORM).ok()
    deployed = operator.deploy(PLATFORM, assembly=assembly).ok()

    assert "[~] AWS::ApiGateway::Stage" in difference.output
    assert "requires replacement" not in difference.output
    assert f"✅  {PLATFORM}" in deployed.lines
    apis = operator.client("apigateway")
    (api,) = apis.get_rest_apis()["items"]
    assert apis.get_stage(restApiId=api["id"], stageName="api")["methodSettings"]["*/*"]["throttlingBurstLimit"] == 150
    assert operator.status(PLATFORM) == "UPDATE_COMPLETE"


def test_a_model_that_does_not_load_is_rolled_back_and_the_reason_is_the_containers(operator: Operator) -> None:
    operator.edit(
        "model_packages/digits/inference.py",
        "def model_fn(",
        'raise RuntimeError("broken on purpose")\n\n\ndef model_fn(',
    )

    deployed = operator.deploy(DIGITS)

    assert deployed.code == 1, deployed.output
    assert "Resource updates failed" in deployed.output
    assert "AWS::SageMaker::Endpoint" in deployed.output
    assert operator.status(DIGITS) == "UPDATE_ROLLBACK_COMPLETE"
    events = operator.events(DIGITS)
    (failed,) = [event for event in events if event[1] == "UPDATE_FAILED"]
    assert failed[0].startswith("Endpoint")
    assert failed[2].startswith('Resource handler returned message: "')
    assert "broken on purpose" in failed[2]
    assert (
        DIGITS,
        "UPDATE_ROLLBACK_IN_PROGRESS",
        f"The following resource(s) failed to update: [{failed[0]}]. ",
    ) in events
    assert events[-1][:2] == (DIGITS, "UPDATE_ROLLBACK_COMPLETE")
    assert operator.predict().ok()


def test_what_is_mended_deploys(operator: Operator) -> None:
    operator.edit("model_packages/digits/inference.py", 'raise RuntimeError("broken on purpose")\n\n\n', "")
    operator.edit("model_packages/digits/package.toml", "queue_rows = 4096", "queue_rows = 2048")

    deployed = operator.deploy(DIGITS).ok()

    assert f"✅  {DIGITS}" in deployed.lines
    assert operator.status(DIGITS) == "UPDATE_COMPLETE"
    assert operator.predict().ok()


def test_hotswap_exchanges_a_functions_code_and_nothing_else(operator: Operator) -> None:
    before = operator.client("lambda").get_function(FunctionName="flyball-digits-gateway")["Configuration"]
    operator.edit(
        "functions/gateway/handler.py", '"""The gateway\'s entry point.', '"""The entry point of the gateway.'
    )

    swapped = operator.deploy(DIGITS, "--hotswap")

    after = operator.client("lambda").get_function(FunctionName="flyball-digits-gateway")["Configuration"]
    assert "hotswapped" in swapped.ok().output
    assert after["CodeSha256"] != before["CodeSha256"]
    assert operator.status(DIGITS) == "UPDATE_COMPLETE"
    assert operator.predict().ok()


def test_a_deployment_after_a_hotswap_brings_the_stack_up_to_date(operator: Operator, assembly: Path) -> None:
    deployed = operator.deploy(DIGITS, assembly=assembly).ok()

    assert f"✅  {DIGITS}" in deployed.lines
    assert any("UPDATE_COMPLETE" in line and "AWS::Lambda::Function" in line for line in deployed.lines)


def test_a_stack_whose_exports_are_in_use_is_not_destroyed(operator: Operator, assembly: Path) -> None:
    destroyed = operator.cdk("destroy", PLATFORM, "--exclusively", "--force", assembly=assembly)

    assert destroyed.code == 1, destroyed.output
    assert f"as it is in use by {DIGITS}" in destroyed.output
    assert operator.status(PLATFORM) == "UPDATE_COMPLETE"


def test_destroy_takes_one_stack_away_and_then_all(operator: Operator, assembly: Path) -> None:
    one = operator.cdk("destroy", DIGITS, "--force", assembly=assembly).ok()
    left = operator.stacks()
    empty_captures(operator)  # what was captured and seen keeps its bucket from being deleted, as on AWS
    every = operator.cdk("destroy", "--all", "--force", assembly=assembly).ok()

    assert f"✅  {DIGITS}: destroyed" in one.lines
    assert left == {PLATFORM, TOOLKIT}
    assert f"✅  {PLATFORM}: destroyed" in every.lines
    assert operator.stacks() == {TOOLKIT}
    assert operator.client("sagemaker").list_endpoints()["Endpoints"] == []


def empty_captures(operator: Operator) -> None:
    s3 = operator.client("s3")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if "captures" in each["Name"])
    for found in s3.list_object_versions(Bucket=bucket).get("Versions", []):
        s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])


def test_an_account_without_a_toolkit_is_bootstrapped(operator: Operator, assembly: Path) -> None:
    remove_toolkit(operator)
    assert operator.stacks() == set()

    refused = operator.deploy("--all", assembly=assembly)
    bootstrapped = operator.cdk("bootstrap", assembly=assembly).ok()

    assert refused.code == 1
    assert "cdk bootstrap" in refused.output
    assert "✅  Environment aws://123456789012/us-east-1 bootstrapped." in bootstrapped.lines
    assert operator.status(TOOLKIT) == "CREATE_COMPLETE"


def test_everything_is_deployed_from_nothing(operator: Operator, assembly: Path) -> None:
    deployed = operator.deploy("--all", assembly=assembly).ok()

    assert [line for line in deployed.lines if line.startswith("✅")] == [f"✅  {PLATFORM}", f"✅  {DIGITS}"]
    assert operator.status(DIGITS) == "CREATE_COMPLETE"
    endpoint = operator.client("sagemaker").describe_endpoint(EndpointName="flyball-digits")
    assert endpoint["EndpointStatus"] == "InService"


def remove_toolkit(operator: Operator) -> None:
    """What one does on AWS to undo a bootstrap: the stack keeps its bucket, and a repository with images stays."""
    images = operator.client("ecr")
    if found := images.list_images(repositoryName=REPOSITORY)["imageIds"]:
        images.batch_delete_image(repositoryName=REPOSITORY, imageIds=found)
    stacks = operator.client("cloudformation")
    stacks.delete_stack(StackName=TOOLKIT)
    stacks.get_waiter("stack_delete_complete").wait(StackName=TOOLKIT, WaiterConfig={"Delay": 1})
    buckets = operator.client("s3")
    for version in buckets.list_object_versions(Bucket=BUCKET)["Versions"]:
        buckets.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    buckets.delete_bucket(Bucket=BUCKET)
