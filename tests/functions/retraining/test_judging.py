"""The step that asks the gate: it reads what the evaluation wrote, and keeps what was decided."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.retraining.judging import Judging
from model_packages.contract import PackageConfig
from model_packages.errors import OperatorError
from model_packages.evidence import Evidence
from model_packages.interface import load_interface
from tests.functions.retraining.cloud import ARTIFACTS, Cloud
from tests.functions.retraining.evidences import CHALLENGER, GATE, GOOD, ROLLOUT
from tests.functions.retraining.judgements import EVALUATION, RUN_PREFIX, evaluated, event_of
from tests.functions.retraining.loops import SETTINGS, config_with


def judging_on(cloud: Cloud) -> Judging:
    config: PackageConfig = config_with().model_copy(update={"gate": GATE, "rollout": ROLLOUT})
    return Judging(s3=cloud.client(), settings=SETTINGS, config=config, interface=load_interface("flowers"))


def served(evidence: Evidence, **changes: Any) -> Evidence:
    """Of the format that callers use."""
    schema_hash = load_interface("flowers").schema_hash
    return replace(evidence, challenger=replace(CHALLENGER, schema_hash=schema_hash, **changes))


def test_a_good_challenger_is_promoted_and_the_decision_is_kept() -> None:
    cloud = evaluated(served(GOOD))

    answer = judging_on(cloud).judge(event_of("judge"))

    assert answer["promote"]
    assert [reason["rule"] for reason in answer["reasons"]][:3] == ["schema", "minimum", "gain"]
    assert set(answer["reasons"][0]) == {"rule", "passed", "found", "allowed"}
    kept = cloud.json_at(ARTIFACTS, f"{RUN_PREFIX}decision.json")
    assert {name: kept[name] for name in ("promote", "summary", "reasons")} == answer
    assert (kept["run"], kept["format"]) == ("one", 1)
    assert json.loads(json.dumps(answer)) == answer


def test_a_bad_one_is_rejected_with_the_reason() -> None:
    cloud = evaluated(served(GOOD, metrics={"accuracy": 0.5}))

    answer = judging_on(cloud).judge(event_of("judge"))

    assert not answer["promote"]
    assert answer["summary"].startswith("minimum: found accuracy 0.5")


def test_a_challenger_of_another_schema_than_the_one_that_is_served_is_rejected() -> None:
    answer = judging_on(evaluated(GOOD)).judge(event_of("judge"))

    assert answer["summary"].startswith("schema: found 0123456789ab; allowed: ")


def test_judging_twice_is_judging_once() -> None:
    cloud = evaluated(served(GOOD))
    judging = judging_on(cloud)

    first = judging.judge(event_of("judge"))
    kept = dict(cloud.objects)

    assert judging.judge(event_of("judge")) == first
    assert cloud.objects == kept


def test_no_evidence_is_no_decision() -> None:
    cloud = evaluated(served(GOOD))
    del cloud.objects[ARTIFACTS, f"{EVALUATION}evidence.json"]

    with pytest.raises(OperatorError, match=r"found no s3://artifacts/flowers/runs/one/evaluation/evidence.json"):
        judging_on(cloud).judge(event_of("judge"))


def test_evidence_of_another_package_is_no_evidence() -> None:
    cloud = evaluated(replace(served(GOOD), package="digits"))

    with pytest.raises(OperatorError, match="of the package 'digits'; allowed: 'flowers'"):
        judging_on(cloud).judge(event_of("judge"))
