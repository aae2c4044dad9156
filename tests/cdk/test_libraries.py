"""The layer with a model's libraries: one version a stack, of one asset for all of them."""

from __future__ import annotations

import json

import pytest

from tests.cdk.synth import Assembly

STACKS = ("flowers", "house-prices")


@pytest.mark.parametrize("stack", STACKS)
def test_the_monitor_and_the_retraining_have_their_libraries_from_the_stack_s_own_layer(
    assembly: Assembly, stack: str
) -> None:
    (layer,) = assembly.resources("AWS::Lambda::LayerVersion", stack)

    functions = assembly.resources("AWS::Lambda::Function", stack).values()

    assert {each["FunctionName"].rpartition("-")[2]: each.get("Layers") for each in functions} == {
        "gateway": None,
        "monitor": [{"Ref": layer}],
        "retraining": [{"Ref": layer}],
    }


def test_the_platform_s_functions_have_none(assembly: Assembly) -> None:
    functions = assembly.resources("AWS::Lambda::Function")

    assert assembly.resources("AWS::Lambda::LayerVersion") == {}
    assert [name for name, function in functions.items() if "Layers" in function] == []


def test_it_is_for_what_the_functions_run_on(assembly: Assembly) -> None:
    layer = assembly.only("AWS::Lambda::LayerVersion", "flowers")

    function = assembly.function("monitor", "flowers")

    assert layer["LayerName"] == "flyball-flowers-libraries"
    assert layer["CompatibleRuntimes"] == [function["Runtime"]]
    assert layer["CompatibleArchitectures"] == function["Architectures"]


def test_it_is_staged_once_and_every_stack_names_the_same_object(assembly: Assembly) -> None:
    contents = [assembly.only("AWS::Lambda::LayerVersion", stack)["Content"] for stack in STACKS]

    staged = [path for path in assembly.folder.glob("asset.*") if (path / "python").exists()]

    assert contents[0] == contents[1]
    assert len(staged) == 1
    for stack in STACKS:
        files = json.loads((assembly.folder / f"flyball-{stack}.assets.json").read_text(encoding="utf-8"))["files"]
        assert [each["source"]["path"] for each in files.values()].count(staged[0].name) == 1


@pytest.mark.parametrize("stack", STACKS)
def test_a_version_that_is_replaced_is_deleted(assembly: Assembly, stack: str) -> None:
    resources = assembly.template(stack)["Resources"].values()

    (layer,) = (each for each in resources if each["Type"] == "AWS::Lambda::LayerVersion")

    assert {layer.get(policy, "Delete") for policy in ("DeletionPolicy", "UpdateReplacePolicy")} == {"Delete"}
