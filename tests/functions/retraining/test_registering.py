"""A challenger becomes a version with all that it came from: once, in SageMaker's own shapes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from botocore.validate import validate_parameters

from functions.monitor.baselines import Baselines
from functions.monitor.settings import MonitorSettings
from functions.retraining.gate import judge
from functions.retraining.model_card import CardFacts, model_card, section
from functions.retraining.registering import Registrar, property_text
from local.clock import SystemClock
from local.documents import InMemoryDocuments
from local.services.sagemaker.registry import ModelRegistry
from local.services.sagemaker.service_model import operation_model
from model_packages.contract import Monitor, Training
from model_packages.errors import OperatorError
from model_packages.evidence import Evidence
from model_packages.interface import load_interface
from tests.functions.retraining.cloud import ARTIFACTS, PARAMETER
from tests.functions.retraining.evidences import CHALLENGER, GATE, GOOD, ROLLOUT, SCHEMA_HASH
from tests.functions.retraining.judgements import DATA, EVALUATION, MANIFEST, MODEL_URI, evaluated, event_of
from tests.functions.retraining.loops import ENDPOINT, GROUP, SETTINGS, config_with, execution_of

README = """# Flowers

Sorts them.

## Intended use
To sort flowers.

## Data
Measured.

## Limits
- It knows two.
"""


MODEL_CARD_SCHEMA = json.loads(Path(__file__).with_name("model_card_schema.json").read_text(encoding="utf-8"))
MONITOR_VARIABLES = (
    "FLYBALL_ENDPOINT_NAME",
    "FLYBALL_CAPTURES_BUCKET",
    "FLYBALL_INITIAL_BASELINE",
    "FLYBALL_GATEWAY_LOG_GROUP",
    "FLYBALL_PROCESSING_ROLE",
    "FLYBALL_PROCESSING_IMAGE",
    "FLYBALL_PROCESSING_APP",
    "FLYBALL_PROCESSING_CODE",
)


@dataclass
class Registry:
    """The local cloud's, as a client."""

    requests: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._registry = ModelRegistry(
            groups=InMemoryDocuments(),
            versions=InMemoryDocuments(),
            clock=SystemClock(),
            account="123456789012",
            region="us-east-1",
        )
        self._registry.create_group({"ModelPackageGroupName": ENDPOINT})

    def create_model_package(self, **arguments: Any) -> Any:
        self.requests.append(arguments)
        validate_parameters(arguments, operation_model("CreateModelPackage").input_shape)
        return self._registry.create_version(arguments)

    def update_model_package(self, **arguments: Any) -> Any:
        validate_parameters(arguments, operation_model("UpdateModelPackage").input_shape)
        return self._registry.update_version(arguments)

    def describe_model_package(self, **arguments: Any) -> Any:
        return self._registry.describe_version(arguments)


@dataclass
class Story:
    """A run that has judged its challenger."""

    evidence: Evidence = GOOD
    approval: bool = False
    registry: Registry = field(default_factory=Registry)

    def __post_init__(self) -> None:
        self.cloud = evaluated(self.evidence)

    def register(self, **more: Any) -> dict[str, Any]:
        decided = judge(self.evidence, GATE, ROLLOUT, serving_schema_hash=SCHEMA_HASH)
        registrar = Registrar(
            s3=self.cloud.client(),
            sagemaker=self.registry,
            settings=SETTINGS,
            config=config_with(approval=self.approval).model_copy(update={"gate": GATE, "rollout": ROLLOUT}),
            interface=load_interface("flowers"),
        )
        return registrar.register(event_of("register", **{"decision": asdict(decided), **more}))

    def version(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.registry.describe_model_package(ModelPackageName=arn)
        return found


def test_a_promoted_challenger_is_an_approved_version_that_an_endpoint_can_be_made_of() -> None:
    story = Story()

    answer = story.register()

    assert answer == {"version": f"{GROUP}/1", "number": 1}
    version = story.version(answer["version"])
    assert version["ModelApprovalStatus"] == "Approved"
    assert version["ApprovalDescription"].startswith("negative_log_loss -0.4 -> -0.3")
    assert version["InferenceSpecification"]["Containers"] == [
        {"Image": SETTINGS.image_uri, "ModelDataUrl": MODEL_URI, "Environment": {"FLYBALL_PACKAGE": "flowers"}}
    ]


def test_a_rejected_one_is_kept_as_rejected_with_the_reason() -> None:
    story = Story(replace(GOOD, challenger=replace(CHALLENGER, size_bytes=10**9)))

    version = story.version(story.register()["version"])

    assert version["ModelApprovalStatus"] == "Rejected"
    assert version["ApprovalDescription"].startswith("size: found 1000 MB")


def test_where_a_person_has_to_approve_a_version_waits() -> None:
    story = Story(approval=True)

    version = story.version(story.register()["version"])

    assert version["ModelApprovalStatus"] == "PendingManualApproval"


def test_registering_twice_is_registering_once() -> None:
    story = Story()

    assert story.register() == story.register()
    assert story.register(execution=execution_of("two")) == {"version": f"{GROUP}/2", "number": 2}


def test_the_monitor_finds_the_versions_baseline() -> None:
    story = Story()
    story.cloud.parameters[PARAMETER] = story.register()["version"]
    monitor = MonitorSettings.from_environment(
        {
            **dict.fromkeys(MONITOR_VARIABLES, "unused"),
            "FLYBALL_PACKAGE": "flowers",
            "FLYBALL_CHAMPION_PARAMETER": PARAMETER,
        }
    )
    baselines = Baselines(
        parameters=story.cloud.client(),
        registry=story.registry,
        s3=story.cloud.client(),
        settings=monitor,
        monitor=Monitor(),
    )

    champion = baselines.champion()

    assert champion.baseline_uri == f"s3://{ARTIFACTS}/{EVALUATION}baseline/baseline.json"


def test_a_version_says_what_it_came_from() -> None:
    story = Story()

    version = story.version(story.register()["version"])

    assert version["CustomerMetadataProperties"] == {
        "run": "one",
        "trigger": "drift",
        "parent": "2",
        "parent_arn": f"{GROUP}/2",
        "decision": "promote",
        "image": SETTINGS.image_uri,
        "schema_hash": SCHEMA_HASH,
        "manifest": DATA["manifest_uri"],
        "manifest_sha256": hashlib.sha256(MANIFEST).hexdigest(),
        "rows.base": "900",
        "rows.captured": "600",
        "rows.training": "1200",
        "rows.holdout": "300",
        "holdout.accuracy": "0.88",
        "holdout.negative_log_loss": "-0.3",
        "champion_holdout.accuracy": "0.85",
        "champion_holdout.negative_log_loss": "-0.4",
        "gain": "0.1",
        "gain_at_least": "0.05",
    }
    assert version["MetadataProperties"]["GeneratedBy"] == execution_of("one")
    assert version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"].endswith("/evaluation/evidence.json")
    assert version["ModelMetrics"]["ModelDataQuality"] == version["DriftCheckBaselines"]["ModelDataQuality"]


def test_every_text_has_the_form_and_length_that_the_service_model_asks_for() -> None:
    metrics = {f"recall of “{'x' * 300}{number}” (%)": 0.5 for number in range(80)}
    strange = replace(CHALLENGER, metrics={**CHALLENGER.metrics, **metrics})
    story = Story(replace(GOOD, challenger=strange))

    story.register(trigger={"kind": "manual", "reason": "because, I said so (twice)"})

    (request,) = story.registry.requests
    assert list(_wrong_texts(operation_model("CreateModelPackage").input_shape, request)) == []
    assert len(request["CustomerMetadataProperties"]) <= 50
    assert "Tags" not in request


@pytest.mark.parametrize(("text", "kept"), [("a, b (c) 5 %", "a_ b _c_ 5 _"), ("", "_"), ("é9/x", "é9/x")])
def test_what_a_property_may_not_hold_is_replaced(text: str, kept: str) -> None:
    assert property_text(text) == kept


def card_of(evidence: Evidence, *, readme: str) -> dict[str, Any]:
    decided = judge(GOOD, GATE, ROLLOUT, serving_schema_hash=SCHEMA_HASH)
    facts = CardFacts(
        run="one",
        why="drift",
        model_uri=MODEL_URI,
        image_uri=SETTINGS.image_uri,
        data=DATA,
        decision=asdict(decided),
        evidence=evidence,
    )
    config = config_with().model_copy(update={"training": Training(hyperparameters={"epochs": 3, "note": ""})})
    content: dict[str, Any] = json.loads(model_card(facts, config=config, readme=readme))
    return content


def test_the_model_card_is_in_the_published_schema() -> None:
    odd = replace(CHALLENGER, metrics={**CHALLENGER.metrics, "odd": math.nan})

    content = card_of(replace(GOOD, challenger=odd), readme=README)

    jsonschema.validate(content, MODEL_CARD_SCHEMA)
    assert set(content["model_overview"]) == {"model_creator", "model_artifact"}
    assert content["intended_uses"]["intended_uses"] == "To sort flowers."
    assert content["additional_information"]["caveats_and_recommendations"] == "- It knows two."
    (evaluation,) = content["evaluation_details"]
    challenger, champion, gate = evaluation["metric_groups"]
    assert [metric["name"] for metric in challenger["metric_data"]] == ["accuracy", "negative_log_loss"]
    assert champion["metric_data"][0] == {"name": "accuracy", "type": "number", "value": 0.85}
    assert {metric["type"] for metric in gate["metric_data"]} == {"boolean"}


def test_without_a_readme_the_card_says_what_the_package_says_of_itself() -> None:
    content = card_of(GOOD, readme="")

    jsonschema.validate(content, MODEL_CARD_SCHEMA)
    assert content["intended_uses"] == {"purpose_of_model": "Flowers.", "intended_uses": "Flowers."}
    assert "caveats_and_recommendations" not in content["additional_information"]


def test_the_version_has_the_card_with_the_packages_own_words() -> None:
    story = Story()

    card = story.version(story.register()["version"])["ModelCard"]

    content = json.loads(card["ModelCardContent"])
    jsonschema.validate(content, MODEL_CARD_SCHEMA)
    assert card["ModelCardStatus"] == "Draft"
    assert content["intended_uses"]["intended_uses"] == "Tests."


@pytest.mark.parametrize(
    ("heading", "text"), [("Limits", "- It knows two."), ("Data", "Measured."), ("Metrics", ""), ("Flowers", "")]
)
def test_a_section_of_a_readme_is_found_by_its_heading(heading: str, text: str) -> None:
    assert section(README, heading) == text


def test_a_version_that_nobody_could_watch_is_not_registered() -> None:
    story = Story()
    del story.cloud.objects[ARTIFACTS, f"{EVALUATION}baseline/baseline.json"]

    with pytest.raises(OperatorError, match=r"found no s3://artifacts/.*/baseline/baseline.json"):
        story.register()

    assert story.registry.requests == []


def _wrong_texts(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _wrong_texts(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from _wrong_texts(shape.member, member, path)
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from _wrong_texts(shape.key, key, f"{path} key")
            yield from _wrong_texts(shape.value, member, f"{path}.{key}")
    elif shape.type_name == "string":
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)
        if not least <= len(value) <= most or not _fits(shape.metadata.get("pattern"), value):
            yield f"{path}: {value!r}"


def _fits(pattern: str | None, value: str) -> bool:
    """As near as Python's expressions come to Java's classes."""
    if pattern is None:
        return True
    if r"\p{L}\p{Z}\p{N}_.:" in pattern:
        return re.fullmatch(r"[\w .:/=+\-@]*", value) is not None
    return r"\p{" in pattern or re.fullmatch(pattern, value) is not None
