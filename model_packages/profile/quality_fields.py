"""Which field of Response is compared with which of Label, and how: what `[monitor.quality]` says, and where it says
nothing, what the task, the types and the names suggest. Torch-free and without NumPy; nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from model_packages.contract import PackageConfig, Quality
from model_packages.errors import PackageError, PackageProblem
from model_packages.fields import FieldSpec, Kind
from model_packages.interface import Interface

Form = Literal["probability", "class", "number"]

MOST_CLASSES = 1000
"""An integer with more values than this is no class of a known list."""
_NAMING = {"prediction", "label", "positive", "metric"}
_CLASSIFIED = (Kind.BOOLEAN, Kind.CATEGORY, Kind.INTEGER, Kind.TEXT)
_NUMBERS = (Kind.NUMERIC, Kind.INTEGER)

PROBABILITY_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "negative_brier",
    "negative_log_loss",
)
POSITIVE_CLASS_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
CLASS_METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
REGRESSION_METRICS = ("r2", "negative_mae", "negative_rmse")
"""What `monitor.quality.metric` may be; in all of them higher is better."""


@dataclass(frozen=True, slots=True)
class QualityFields:
    """How a prediction is judged by its label."""

    form: Form
    """`probability` of the positive class, the `class` itself, or a `number`."""
    prediction: str
    label: str
    metric: str
    threshold: float = 0.5
    positive: str | None = None
    """The class that counts as positive, as `class_name` writes it."""
    classes: tuple[str, ...] = ()
    """All of them; empty where they are not known before they are seen."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that can be watched."""
        return _metrics_of(self.form, self.positive)


def class_name(value: Any) -> str:
    """A class as text: true and false as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def quality_fields(interface: Interface, config: PackageConfig) -> QualityFields | None:
    """None where nothing is said of it and nothing suggests it: such predictions cannot be judged one by one.

    Raises: PackageError that names every setting which is wrong, or which has to stand beside those that are there.
    """
    search = _Search(interface, config)
    found = search.run()
    if search.problems and config.monitor.quality.model_fields_set & _NAMING:
        raise PackageError(search.problems)
    return found


def why_none(interface: Interface, config: PackageConfig) -> str:
    """What would have to be stated, in a package whose predictions are not judged."""
    search = _Search(interface, config)
    search.run()
    return "; ".join(map(str, search.problems))


class _Search:
    """Collects the problems, so that all of them are told at once."""

    def __init__(self, interface: Interface, config: PackageConfig) -> None:
        self._interface, self._task = interface, config.task
        self._stated: Quality = config.monitor.quality
        self.problems: list[PackageProblem] = []

    def run(self) -> QualityFields | None:
        label = self._label()
        if label is None:
            return None
        if self._task == "regression":
            return self._finish("number", label, self._same_or_only(label, _NUMBERS))
        if self._task == "multiclass_classification":
            return self._finish("class", label, self._same_or_only(label, (label.kind,)), classes=_classes_of(label))
        return self._binary(label)

    def _binary(self, label: FieldSpec) -> QualityFields | None:
        classes = _classes_of(label)
        if len(classes) != 2:
            self._refuse("label", label.name, "a field with two classes, because the task is binary")
            return None
        positive = self._positive(classes)
        if self._stated.positive is not None and positive is None:
            return None
        prediction, form = self._binary_prediction(label, classes, positive)
        if form == "probability" and positive is None and prediction is not None:
            positive = _mentioned(classes, prediction.name) or self._likely_positive(label)
            if positive is None:
                self._refuse("positive", "nothing", f"one of {', '.join(classes)}: what is the probability of?")
                return None
        return self._finish(form, label, prediction, classes=classes, positive=positive)

    def _label(self) -> FieldSpec | None:
        kinds = _NUMBERS if self._task == "regression" else _CLASSIFIED
        candidates = [field for field in self._interface.label_fields if field.kind in kinds]
        if self._stated.label is not None:
            return self._named("label", self._stated.label, candidates)
        answered = {field.name for field in self._interface.response_fields}
        shared = [field for field in candidates if field.name in answered]
        return self._only("label", shared or candidates, candidates)

    def _same_or_only(self, label: FieldSpec, kinds: Sequence[Kind]) -> FieldSpec | None:
        candidates = [field for field in self._interface.response_fields if field.kind in kinds]
        if self._stated.prediction is not None:
            return self._named("prediction", self._stated.prediction, candidates)
        same = [field for field in candidates if field.name == label.name]
        return self._only("prediction", same or candidates, candidates)

    def _binary_prediction(
        self, label: FieldSpec, classes: Sequence[str], positive: str | None
    ) -> tuple[FieldSpec | None, Form]:
        fields = self._interface.response_fields
        probabilities = [field for field in fields if _is_probability(field)]
        same_kind = [field for field in fields if field.kind == label.kind and _classes_of(field) == tuple(classes)]
        if self._stated.prediction is not None:
            named = self._named("prediction", self._stated.prediction, [*probabilities, *same_kind])
            return named, "probability" if named in probabilities else "class"
        words = [positive] if positive is not None else list(classes)
        telling = [field for field in probabilities if _mentions(field.name, [*words, label.name])]
        if len(telling) == 1:
            return telling[0], "probability"
        same = [field for field in same_kind if field.name == label.name]
        return self._only("prediction", same or same_kind, [*probabilities, *same_kind]), "class"

    def _positive(self, classes: Sequence[str]) -> str | None:
        if self._stated.positive is None:
            return None
        positive = class_name(self._stated.positive)
        if positive in classes:
            return positive
        self._refuse("positive", positive, f"one of {', '.join(classes)}")
        return None

    @staticmethod
    def _likely_positive(label: FieldSpec) -> str | None:
        return {Kind.BOOLEAN: "true", Kind.INTEGER: "1"}.get(label.kind)

    def _finish(
        self,
        form: Form,
        label: FieldSpec,
        prediction: FieldSpec | None,
        *,
        classes: tuple[str, ...] = (),
        positive: str | None = None,
    ) -> QualityFields | None:
        if prediction is None:
            return None
        if form == "class" and positive is None and self._task == "binary_classification":
            positive = self._likely_positive(label)
        metrics = _metrics_of(form, positive)
        metric = self._stated.metric or metrics[0]
        if metric not in metrics:
            self._refuse("metric", metric, f"one of {', '.join(metrics)}")
            return None
        return QualityFields(
            form=form,
            prediction=prediction.name,
            label=label.name,
            metric=metric,
            threshold=self._stated.threshold,
            positive=positive,
            classes=classes,
        )

    def _named(self, key: str, name: str, candidates: Sequence[FieldSpec]) -> FieldSpec | None:
        found = next((field for field in candidates if field.name == name), None)
        if found is None:
            self._refuse(key, name, _names(candidates))
        return found

    def _only(self, key: str, likely: Sequence[FieldSpec], candidates: Sequence[FieldSpec]) -> FieldSpec | None:
        if len(likely) == 1:
            return likely[0]
        self._refuse(key, "nothing", _names(candidates))
        return None

    def _refuse(self, key: str, found: str, allowed: str) -> None:
        file = f"{self._interface.package}/package.toml"
        self.problems.append(PackageProblem(file=file, key=f"monitor.quality.{key}", found=found, allowed=allowed))


def _metrics_of(form: Form, positive: str | None) -> tuple[str, ...]:
    if form == "class":
        return CLASS_METRICS if positive is None else POSITIVE_CLASS_METRICS
    return PROBABILITY_METRICS if form == "probability" else REGRESSION_METRICS


def _classes_of(field: FieldSpec) -> tuple[str, ...]:
    if field.kind is Kind.BOOLEAN:
        return ("false", "true")
    low, high = field.minimum, field.maximum
    if field.kind is Kind.INTEGER and low is not None and high is not None and high - low < MOST_CLASSES:
        return tuple(str(value) for value in range(int(low), int(high) + 1))
    return field.categories


def _is_probability(field: FieldSpec) -> bool:
    return field.kind is Kind.NUMERIC and field.minimum == 0 and field.maximum == 1


def _mentioned(classes: Iterable[str], name: str) -> str | None:
    found = [each for each in classes if _mentions(name, [each])]
    return found[0] if len(found) == 1 else None


def _mentions(name: str, words: Iterable[str]) -> bool:
    """Whether a word is a part of the name, as between its underscores."""
    parts = f"_{name.lower()}_"
    return any(f"_{word.lower().replace(' ', '_')}_" in parts for word in words)


def _names(candidates: Sequence[FieldSpec]) -> str:
    names = list(dict.fromkeys(field.name for field in candidates))
    return f"one of {', '.join(names)}" if names else "a field that fits the task; the schema has none"
