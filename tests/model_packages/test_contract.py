"""package.toml: what it accepts by default, and every section's values that it must refuse."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model_packages.contract import PACKAGE_NAME_PATTERN, PackageConfig, Rollout, json_schema

PACKAGES = Path("model_packages")
MINIMAL: dict[str, Any] = {
    "description": "Predicts one thing from another.",
    "task": "regression",
    "gate": {"metric": "r2", "minimum": 0.5},
}


def test_a_description_a_task_and_a_gate_are_enough() -> None:
    config = PackageConfig.model_validate(MINIMAL)

    assert config.endpoint.minimum_instances == 2
    assert config.rollout.strategy == "canary"
    assert config.training.holdout == "random"


def test_a_config_cannot_be_changed() -> None:
    config = PackageConfig.model_validate(MINIMAL)

    with pytest.raises(ValidationError, match="frozen"):
        config.gate.minimum = 0.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("section", "key", "value", "complaint"),
    [
        ("", "description", "", "at least 1 character"),
        ("", "description", "x" * 257, "at most 256 characters"),
        ("", "task", "clustering", "'binary_classification', 'multiclass_classification' or 'regression'"),
        ("", "owner", "me", "Extra inputs are not permitted"),
        ("endpoint", "instance_type", "g6.xlarge", "match pattern"),
        ("endpoint", "minimum_instances", 0, "greater than or equal to 1"),
        ("endpoint", "minimum_instances", "2", "valid integer"),
        ("endpoint", "minimum_instances", True, "valid integer"),
        ("endpoint", "maximum_instances", 1, "allowed: minimum_instances (2) or more"),
        ("endpoint", "concurrency_per_instance", 0, "greater than or equal to 1"),
        ("endpoint", "timeout_seconds", 61, "less than or equal to 60"),
        ("endpoint", "timeout_seconds", 1.5, "valid integer"),
        ("endpoint", "maximum_body_bytes", 6_291_457, "less than or equal to 6291456"),
        ("endpoint", "maximum_rows", 0, "greater than or equal to 1"),
        ("endpoint", "gpu", True, "Extra inputs are not permitted"),
        ("batching", "maximum_rows", 0, "greater than or equal to 1"),
        ("batching", "maximum_bytes", 0, "greater than or equal to 1"),
        ("batching", "queue_rows", 0, "greater than or equal to 1"),
        ("batching", "precision", "int8", "'float32', 'bfloat16' or 'float16'"),
        ("capture", "percent", 101, "less than or equal to 100"),
        ("capture", "percent", -1, "greater than or equal to 0"),
        ("capture", "retention_days", 0, "greater than or equal to 1"),
        ("training", "data", "/data", "match pattern"),
        ("training", "data", "", "match pattern"),
        ("training", "instance_type", "ml.m5", "match pattern"),
        ("training", "maximum_runtime_minutes", 0, "greater than or equal to 1"),
        ("training", "holdout_fraction", 0.0, "greater than 0"),
        ("training", "holdout_fraction", 1.0, "less than 1"),
        ("training", "holdout", "first", "'random' or 'latest'"),
        ("training", "seed", "0", "valid integer"),
        ("training", "hyperparameters", {"layers": [1, 2]}, "valid string"),
        ("gate", "metric", "", "at least 1 character"),
        ("gate", "minimum", "high", "valid number"),
        ("gate", "minimum", float("nan"), "finite number"),
        ("gate", "maximum", 1.0, "Extra inputs are not permitted"),
        ("rollout", "strategy", "blue_green", "'canary', 'linear' or 'all_at_once'"),
        ("rollout", "step_percent", 51, "less than or equal to 50"),
        ("rollout", "step_percent", 4, "greater than or equal to 5"),
        ("rollout", "bake_minutes", 61, "less than or equal to 60"),
        ("rollout", "bake_minutes", 0, "allowed with strategy 'canary' in steps of 50 %: 1 to 60"),
        ("rollout", "maximum_p99_latency_ms", 0.0, "greater than 0"),
        ("rollout", "maximum_error_percent", 101.0, "less than or equal to 100"),
    ],
)
def test_a_bad_value_is_refused(section: str, key: str, value: Any, complaint: str) -> None:
    changed = {section: {**MINIMAL.get(section, {}), key: value}} if section else {key: value}

    with pytest.raises(ValidationError, match=re.escape(complaint)):
        PackageConfig.model_validate(MINIMAL | changed)


@pytest.mark.parametrize("key", ["description", "task", "gate"])
def test_what_has_no_default_is_required(key: str) -> None:
    incomplete = {name: value for name, value in MINIMAL.items() if name != key}

    with pytest.raises(ValidationError, match="Field required"):
        PackageConfig.model_validate(incomplete)


@pytest.mark.parametrize(("strategy", "is_allowed"), [("canary", False), ("linear", False), ("all_at_once", True)])
def test_one_instance_cannot_shift_part_of_its_traffic(strategy: str, is_allowed: bool) -> None:  # noqa: FBT001
    content = MINIMAL | {"endpoint": {"minimum_instances": 1}, "rollout": {"strategy": strategy}}

    if is_allowed:
        assert PackageConfig.model_validate(content).endpoint.minimum_instances == 1
    else:
        with pytest.raises(ValidationError, match="2 or more, because SageMaker shifts at most half"):
            PackageConfig.model_validate(content)


def test_all_at_once_may_do_without_a_bake() -> None:
    content = MINIMAL | {"rollout": {"strategy": "all_at_once", "bake_minutes": 0}}

    assert PackageConfig.model_validate(content).rollout.bake_minutes == 0


@pytest.mark.parametrize(
    ("rollout", "key", "complaint"),
    [
        ({"strategy": "linear", "step_percent": 9}, "step_percent", "9; allowed with strategy 'linear': 10 to 50"),
        (
            {"strategy": "linear", "step_percent": 10, "bake_minutes": 39},
            "bake_minutes",
            "39; allowed with strategy 'linear' in steps of 10 %: 1 to 38 (SageMaker ends a rollout after 480 minutes)",
        ),
    ],
)
def test_a_rollout_that_sagemaker_would_refuse_is_refused_where_it_is_declared(
    rollout: dict[str, Any], key: str, complaint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        PackageConfig.model_validate(MINIMAL | {"rollout": rollout})

    [error] = caught.value.errors()
    assert error["loc"] == ("rollout", key)
    assert error["msg"] == f"Value error, {complaint}"


@given(
    strategy=st.sampled_from(["canary", "linear", "all_at_once"]),
    step_percent=st.integers(5, 50),
    bake_minutes=st.integers(0, 60) | st.none(),
)
def test_what_is_accepted_ends_in_sagemakers_time(strategy: str, step_percent: int, bake_minutes: int | None) -> None:
    declared = {"strategy": strategy, "step_percent": step_percent, "bake_minutes": bake_minutes}
    try:
        rollout = Rollout.model_validate({key: value for key, value in declared.items() if value is not None})
    except ValidationError:
        assert strategy == "linear" or bake_minutes == 0
        return

    assert rollout.longest_minutes <= 480
    assert strategy == "all_at_once" or rollout.bake_minutes > 0


@pytest.mark.parametrize(
    ("rollout", "minutes"),
    [
        ({"strategy": "all_at_once", "bake_minutes": 7}, 14),
        ({"strategy": "canary", "step_percent": 5, "bake_minutes": 7}, 21),
        ({"strategy": "linear", "step_percent": 50, "bake_minutes": 7}, 21),
        ({"strategy": "linear", "step_percent": 30, "bake_minutes": 7}, 35),
    ],
)
def test_a_rollout_bakes_after_each_step_and_once_more(rollout: dict[str, Any], minutes: int) -> None:
    assert Rollout.model_validate(rollout).waiting_minutes == minutes


@pytest.mark.parametrize("data", ["data", "data/2026", "s3://bucket", "s3://bucket/prefix/"])
def test_data_is_a_folder_of_the_package_or_a_prefix_in_s3(data: str) -> None:
    assert PackageConfig.model_validate(MINIMAL | {"training": {"data": data}}).training.data == data


@pytest.mark.parametrize("name", ["a", "digits", "churn_2", "a" * 40])
def test_a_python_name_in_lower_case_may_be_a_packages(name: str) -> None:
    assert re.match(PACKAGE_NAME_PATTERN, name)


@pytest.mark.parametrize("name", ["", "2fast", "_private", "Digits", "a-b", "trailing_", "a" * 41, "a b", "é"])
def test_other_names_may_not(name: str) -> None:
    assert not re.match(PACKAGE_NAME_PATTERN, name)


def test_the_committed_schema_for_editors_is_current() -> None:
    committed = (PACKAGES / "package.schema.json").read_text(encoding="utf-8")

    assert committed == json.dumps(json_schema(), indent=2) + "\n", (
        "run: python -m model_packages.contract > model_packages/package.schema.json"
    )


def test_the_schema_for_editors_explains_every_key() -> None:
    schema = json_schema()
    tables = [schema, *schema["$defs"].values()]

    unexplained = [
        name
        for table in tables
        for name, key in table["properties"].items()
        if "description" not in key and "$ref" not in key
    ]

    assert unexplained == []


@pytest.mark.parametrize("path", sorted(PACKAGES.glob("*/package.toml")), ids=lambda path: path.parent.name)
def test_every_package_names_the_schema_and_keeps_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text.startswith("#:schema ../package.schema.json\n")
    jsonschema.validate(tomllib.loads(text), json_schema())
