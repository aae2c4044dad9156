"""A version's model card, in the published schema of model package model cards: the registry refuses any other member.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html#model-card-schema
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packages.contract import PackageConfig
from model_packages.evidence import Evidence
from model_packages.interface import Interface

README = "README.md"
TEXT, OBSERVATION, NOTE, VALUE = 2048, 1024, 1024, 255
"""The most characters of the card's texts."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a run knows of the version that it made."""

    run: str
    why: str
    """What started the run."""
    model_uri: str
    image_uri: str
    data: Mapping[str, Any]
    """What `assemble` answered."""
    decision: Mapping[str, Any]
    evidence: Evidence


def model_card(facts: CardFacts, *, config: PackageConfig, readme: str) -> str:
    """The card's content. `readme` is the package's README.md; empty where it is not at hand."""
    card: Json = {
        "model_overview": {
            "model_creator": f"Flyball's retraining loop, run {facts.run}",
            "model_artifact": [facts.model_uri],
        },
        "intended_uses": {
            "purpose_of_model": config.description,
            "intended_uses": (section(readme, "Intended use") or config.description)[:TEXT],
        },
        "training_details": _training(facts, config),
        "evaluation_details": [_evaluation(facts)],
        "additional_information": {
            **({"caveats_and_recommendations": limits[:TEXT]} if (limits := section(readme, "Limits")) else {}),
            "custom_details": {"run": facts.run, "manifest": str(facts.data["manifest_uri"])},
        },
    }
    return json.dumps(card, allow_nan=False)


def readme_of(interface: Interface) -> str:
    """The README.md beside the package's schema; empty where the function was packed without."""
    path = Path(inspect.getfile(interface.request)).with_name(README)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def section(readme: str, heading: str) -> str:
    """The text below `## heading`, up to the next one; empty where there is none."""
    _, found, rest = f"\n{readme}".partition(f"\n## {heading}")
    return rest.partition("\n")[2].partition("\n## ")[0].strip() if found else ""


def _training(facts: CardFacts, config: PackageConfig) -> Json:
    rows = facts.data.get("rows", {})
    counted = ", ".join(f"{count} {name}" for name, count in rows.items())
    hyperparameters = config.training.hyperparameters
    return {
        "training_observations": f"Started by {facts.why}. Rows: {counted}."[:OBSERVATION],
        "training_job_details": {
            "training_datasets": [str(facts.data["training_uri"])],
            "training_environment": {"container_image": [facts.image_uri]},
            "user_provided_hyper_parameters": [
                {"name": name[:VALUE], "value": str(value)[:VALUE] or "none"} for name, value in hyperparameters.items()
            ],
        },
    }


def _evaluation(facts: CardFacts) -> Json:
    evidence, decision = facts.evidence, facts.decision
    champion = evidence.champion.metrics if evidence.champion else {}
    groups = [
        _group("challenger", _numbers(evidence.challenger.metrics)),
        _group("champion", _numbers(champion)),
        _group("gate", [_rule(reason) for reason in decision["reasons"]]),
    ]
    return {
        "name": "holdout",
        "evaluation_observation": str(decision["summary"])[:TEXT],
        "datasets": [str(facts.data["holdout_uri"])],
        "metadata": {"rows": str(evidence.rows), "schema_hash": evidence.challenger.schema_hash},
        "metric_groups": [group for group in groups if group["metric_data"]],
    }


def _group(name: str, metrics: Sequence[Json]) -> Json:
    return {"name": name, "metric_data": list(metrics)}


def _numbers(metrics: Mapping[str, float]) -> list[Json]:
    """What is no number has no place in JSON."""
    return [
        {"name": name[:VALUE], "type": "number", "value": value}
        for name, value in sorted(metrics.items())
        if math.isfinite(value)
    ]


def _rule(reason: Mapping[str, Any]) -> Json:
    notes = f"found {reason['found']}; allowed: {reason['allowed']}"
    return {"name": reason["rule"], "type": "boolean", "value": reason["passed"], "notes": notes[:NOTE]}
