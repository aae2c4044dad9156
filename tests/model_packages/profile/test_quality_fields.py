"""What is compared with what: as types and names suggest, or as stated; a wrong statement is told what is right."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model

from model_packages.contract import Gate, PackageConfig
from model_packages.discovery import ROOT, read_package
from model_packages.errors import PackageError
from model_packages.fields import Payload, Tensor
from model_packages.interface import Interface, load_interface
from model_packages.profile.quality_fields import QualityFields, quality_fields, why_none

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Digit = Annotated[int, Field(ge=0, le=9)]
Flower = Literal["daisy", "crocus"]
Task = Literal["binary_classification", "multiclass_classification", "regression"]


def interface_of(response: dict[str, Any], label: dict[str, Any]) -> Interface:
    def payload(name: str, fields: dict[str, Any]) -> type[Payload]:
        made: type[Payload] = create_model(  # type: ignore[call-overload]
            name, __base__=Payload, **{field: (kind, ...) for field, kind in fields.items()}
        )
        return made

    return Interface(
        package="flowers",
        request=payload("Request", {"petals": int}),
        response=payload("Response", response),
        label=payload("Label", label),
    )


def config_of(task: Task, **stated: Any) -> PackageConfig:
    return PackageConfig.model_validate(
        {
            "description": "Flowers.",
            "task": task,
            "gate": Gate(metric="accuracy", minimum=0.5),
            **({"monitor": {"quality": stated}} if stated else {}),
        }
    )


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("payments", ("probability", "fraud_probability", "fraud", "average_precision", "true")),
        ("tumours", ("probability", "probability_malignant", "diagnosis", "accuracy", "malignant")),
        ("digits", ("class", "digit", "digit", "accuracy", None)),
    ],
)
def test_the_packages_of_this_checkout_are_understood(package: str, expected: tuple[Any, ...]) -> None:
    found = quality_fields(load_interface(package), read_package(ROOT / package).config)

    assert found is not None
    assert (found.form, found.prediction, found.label, found.metric, found.positive) == expected


@pytest.mark.parametrize(
    ("task", "response", "label", "expected"),
    [
        ("regression", {"minutes": float}, {"minutes": float}, ("number", "minutes", "minutes", "r2", None)),
        ("regression", {"price": float, "name": str}, {"paid": float}, ("number", "price", "paid", "r2", None)),
        ("regression", {"a": float, "b": float}, {"b": float}, ("number", "b", "b", "r2", None)),
        (
            "multiclass_classification",
            {"digit": Digit, "shares": Annotated[list[float], Tensor(shape=(10,))]},
            {"digit": Digit},
            ("class", "digit", "digit", "accuracy", None),
        ),
        (
            "binary_classification",
            {"species": Flower, "confidence": Share},
            {"species": Flower},
            ("class", "species", "species", "accuracy", None),
        ),
        (
            "binary_classification",
            {"churn_score": Share, "lift": float},
            {"churn": bool},
            ("probability", "churn_score", "churn", "accuracy", "true"),
        ),
        ("binary_classification", {"churn": bool}, {"churn": bool}, ("class", "churn", "churn", "accuracy", "true")),
    ],
)
def test_types_and_names_suggest_what_is_compared(
    task: Task, response: dict[str, Any], label: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    found = quality_fields(interface_of(response, label), config_of(task))

    assert found is not None
    assert (found.form, found.prediction, found.label, found.metric, found.positive) == expected


def test_what_is_stated_stands_above_what_is_suggested() -> None:
    interface = interface_of({"risk": Share, "fraud_probability": Share}, {"fraud": bool, "chargeback": bool})
    stated = {"prediction": "risk", "label": "chargeback", "positive": False, "threshold": 0.2, "metric": "roc_auc"}

    found = quality_fields(interface, config_of("binary_classification", **stated))

    assert found == QualityFields(
        form="probability",
        prediction="risk",
        label="chargeback",
        metric="roc_auc",
        threshold=0.2,
        positive="false",
        classes=("false", "true"),
    )


FRAUD = interface_of({"fraud_probability": Share, "amount": float}, {"fraud": bool})
FLOWERS = interface_of({"species": Flower, "score": Share}, {"species": Flower})


@pytest.mark.parametrize(
    ("interface", "stated", "message"),
    [
        (FRAUD, {"label": "frauds"}, "monitor.quality.label: found frauds; allowed: one of fraud"),
        (
            FRAUD,
            {"prediction": "amount"},
            "monitor.quality.prediction: found amount; allowed: one of fraud_probability",
        ),
        (FRAUD, {"positive": "yes"}, "monitor.quality.positive: found yes; allowed: one of false, true"),
        (FRAUD, {"metric": "acuracy"}, "monitor.quality.metric: found acuracy; allowed: one of accuracy, balanced_"),
        (FRAUD, {"metric": "brier"}, "negative_brier"),
        (FLOWERS, {"metric": "roc_auc"}, "allowed: one of accuracy, balanced_accuracy, macro_f1"),
        (FLOWERS, {"prediction": "score"}, "monitor.quality.positive: found nothing; allowed: one of daisy, crocus"),
    ],
)
def test_a_wrong_statement_is_told_with_what_is_allowed(
    interface: Interface, stated: dict[str, Any], message: str
) -> None:
    with pytest.raises(PackageError) as raised:
        quality_fields(interface, config_of("binary_classification", **stated))

    assert message in str(raised.value)
    assert "flowers/package.toml: monitor.quality." in str(raised.value)


@pytest.mark.parametrize(
    ("task", "response", "label", "why"),
    [
        (
            "regression",
            {"a": float, "b": float},
            {"c": float},
            "monitor.quality.prediction: found nothing; allowed: one of",
        ),
        (
            "regression",
            {"a": float},
            {"b": float, "c": float},
            "monitor.quality.label: found nothing; allowed: one of b, c",
        ),
        ("regression", {"a": float}, {"name": str}, "a field that fits the task; the schema has none"),
        ("binary_classification", {"a": Share}, {"kind": Literal["x", "y", "z"]}, "a field with two classes"),
    ],
)
def test_what_nothing_suggests_is_not_judged_and_the_reason_is_known(
    task: Task, response: dict[str, Any], label: dict[str, Any], why: str
) -> None:
    interface = interface_of(response, label)

    assert quality_fields(interface, config_of(task)) is None
    assert why in why_none(interface, config_of(task))


def test_settings_that_name_no_field_demand_none() -> None:
    interface = interface_of({"a": float, "b": float}, {"c": float})

    assert quality_fields(interface, config_of("regression", tolerance=0.1)) is None


def test_half_a_statement_has_to_be_completed() -> None:
    interface = interface_of({"a": float, "b": float}, {"c": float})

    with pytest.raises(PackageError, match=r"monitor\.quality\.prediction: found nothing"):
        quality_fields(interface, config_of("regression", label="c"))
