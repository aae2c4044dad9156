"""What `flyball up` deploys: the toolkit and an assembly, through the same operations that the API has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.deploy.assembly import Assembly, AssemblyStack
from local.deploy.documents import Json
from local.deploy.errors import UnsupportedAssembly
from local.services.cloudformation.deployment import deploy_assembly
from local.services.cloudformation.toolkit import NAME, TEMPLATE, toolkit_stack, with_toolkit
from local.services.ecr_images import Images
from model_packages.errors import OperatorError
from tests.local.deploy.doubles import thing
from tests.local.services.cloudformation.bench import Bench

EXECUTION_ROLE = "arn:aws:iam::123456789012:role/cdk-hnb659fds-cfn-exec-role-123456789012-us-east-1"


def stack(name: str, *, needs: tuple[str, ...] = (), **resources: Json) -> AssemblyStack:
    return AssemblyStack(name, {"Resources": resources}, {}, needs=frozenset(needs), tags={"team": "x"})


def deploy(bench: Bench, tmp_path: Path, *stacks: AssemblyStack) -> list[str]:
    images = Images(tmp_path / "images", assembly=tmp_path / "cdk.out")
    outcomes = deploy_assembly(Assembly(stacks), operations=bench.operations, images=images)
    return [outcome.result for outcome in outcomes]


def test_stacks_are_deployed_after_what_they_need_in_the_name_of_the_execution_role(
    bench: Bench, tmp_path: Path
) -> None:
    results = deploy(bench, tmp_path, stack("first", A=thing()), stack("second", needs=("first",), B=thing()))

    assert results == ["created", "created"]
    assert bench.services.things.calls == ["create A", "create B"]
    described = bench.find("second")
    assert described is not None
    assert described["RoleARN"] == EXECUTION_ROLE
    assert described["Tags"] == [{"Key": "team", "Value": "x"}]


def test_deploying_again_changes_nothing_and_neither_would_the_command_line(bench: Bench, tmp_path: Path) -> None:
    one = stack("one", A=thing(Value=1))
    deploy(bench, tmp_path, one)

    again = deploy(bench, tmp_path, one)
    described = bench.change_set(one.template_text, stack="one", Tags=[{"Key": "team", "Value": "x"}])

    assert again == ["unchanged"]
    assert described["Status"] == "FAILED"
    assert "didn't contain changes" in described["StatusReason"]


def test_a_stack_that_failed_to_come_up_is_made_anew(bench: Bench, tmp_path: Path) -> None:
    bench.services.things.fail_at = {0}
    assert bench.deploy(json.dumps({"Resources": {"A": thing()}}), stack="one") == "ROLLBACK_COMPLETE"

    assert deploy(bench, tmp_path, stack("one", A=thing())) == ["created"]
    assert bench.status("one") == "CREATE_COMPLETE"


def test_nothing_of_an_assembly_is_made_where_its_last_stack_is_refused(bench: Bench, tmp_path: Path) -> None:
    bad = stack("bad", needs=("good",), B={"Type": "AWS::EC2::Instance"})

    with pytest.raises(UnsupportedAssembly):
        deploy(bench, tmp_path, stack("good", A=thing()), bad)

    assert bench.services.things.calls == []
    assert bench.find("good") is None


def test_the_toolkit_is_the_installed_command_lines_and_comes_first(tmp_path: Path) -> None:
    template = tmp_path / TEMPLATE
    template.parent.mkdir(parents=True)
    template.write_text("Resources:\n  Version: {Type: 'AWS::SSM::Parameter', Properties: {Value: '33'}}\n")

    toolkit = toolkit_stack(tmp_path)
    whole = with_toolkit(Assembly((stack("one", A=thing()),)), toolkit)

    assert toolkit.template_text == template.read_text()
    assert [(entry.name, entry.needs) for entry in whole.stacks] == [(NAME, frozenset()), ("one", frozenset({NAME}))]


def test_without_the_command_line_somebody_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="make setup"):
        toolkit_stack(tmp_path)
