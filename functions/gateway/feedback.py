"""Labels that callers send: checked with the package's Label, told from labels for nobody's prediction, and stored by
the hour of the prediction. What becomes of them is the monitor's: nothing is read here, and no metric computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Protocol, cast
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, create_model
from pydantic_core import PydanticCustomError, to_json

from functions.gateway.bucket import Store
from functions.gateway.field_problems import INFERENCE_EXPIRED, INFERENCE_UNKNOWN, problems_of, shorten_json
from functions.shared.layout import hour_path, labels_prefix
from functions.shared.uuid7 import Issuer, time_of
from model_packages.errors import FieldProblem, InferenceExpired, InvalidRequest, RefusedFields, UnknownInference
from model_packages.fields import Payload
from model_packages.interface import Interface

MAXIMUM_LABELS = 500
LABEL_CONFLICT = "label_conflict"
SKEW_MINUTES = 5
"""An id may be of a future as near as this: clocks differ."""

# As with `instances`: the envelope has no other field, so its first key tells the two forms apart.
_STARTS_LIKE_AN_ENVELOPE = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"labels"[ \t\r\n]*:')


class Feedback(Protocol):
    """Takes a request's labels, and says how many they are. Raises: RefusedFields, StoreUnavailable."""

    def take(self, body: bytes, *, request_id: str) -> int: ...


class Labelled(NamedTuple):
    """One label. `row` is None where the caller did not say which of a request's rows it is for."""

    inference_id: str
    row: int | None
    label: Payload


@dataclass(frozen=True, kw_only=True)
class StoredFeedback:
    """Labels of one endpoint's predictions. Its validators are made for the first of them, not at a cold start."""

    interface: Interface
    issuer: Issuer
    store: Store
    endpoint_name: str
    label_days: int
    maximum_rows: int

    def take(self, body: bytes, *, request_id: str) -> int:
        """Stores all of the labels, or none: a repeated request counts once, so one that failed can be sent again.

        Raises: InvalidRequest, UnknownInference, InferenceExpired; each names every label that cannot be taken.
        """
        received = time_of(request_id)
        labels = self._check(body, received)
        for hour, lines in _by_hour(labels, received).items():
            self.store.put(f"{labels_prefix(self.endpoint_name)}{hour}/{request_id}.jsonl", b"".join(lines))
        return len(labels)

    def _check(self, body: bytes, received: datetime) -> Sequence[Labelled]:
        is_many = _STARTS_LIKE_AN_ENVELOPE.match(body) is not None
        parse = self._parsers.many if is_many else self._parsers.one
        try:
            found = parse(body, context=self._ages(received))
        except ValidationError as error:
            raise _refusal(error) from None
        sent = found.labels if is_many else [found]
        return _without_repetition(
            [Labelled(inference_id=one.inference_id, row=one.row, label=one.label) for one in sent]
        )

    def _ages(self, now: datetime) -> _Ages:
        return _Ages(earliest=now - timedelta(days=self.label_days), latest=now + timedelta(minutes=SKEW_MINUTES))

    @cached_property
    def _parsers(self) -> _Parsers:
        """Both forms of the body as pydantic's validators."""
        inference_id = Annotated[str, AfterValidator(self._known_and_young)]
        row = Annotated[int, Field(ge=0, lt=self.maximum_rows)] | None
        one = create_model(
            "LabelledPrediction",
            __base__=Payload,
            inference_id=(inference_id, ...),
            row=(row, None),
            label=(self.interface.label, ...),
        )
        labels = Annotated[list[one], Field(min_length=1, max_length=MAXIMUM_LABELS)]
        many = create_model("Labels", __base__=Payload, labels=(labels, ...))
        return _Parsers(
            one=one.__pydantic_validator__.validate_json,
            many=many.__pydantic_validator__.validate_json,
        )

    def _known_and_young(self, text: str, info: ValidationInfo) -> str:
        """The id in lower case. Raises: PydanticCustomError, which becomes one field's problem."""
        ages = cast(_Ages, info.context)
        identifier = _read_id(text)
        if identifier is None or not self.issuer.made(identifier) or time_of(identifier) > ages.latest:
            raise PydanticCustomError(INFERENCE_UNKNOWN, "not an inference id of this model")
        if time_of(identifier) < ages.earliest:
            raise PydanticCustomError(
                INFERENCE_EXPIRED, "too old for a label", {"days": self.label_days, "made": f"{time_of(identifier)}"}
            )
        return str(identifier)


class _Parsers(NamedTuple):
    one: Callable[..., Any]
    many: Callable[..., Any]


class _Ages(NamedTuple):
    """When a prediction may have been made that takes a label now."""

    earliest: datetime
    latest: datetime


def _read_id(text: str) -> UUID | None:
    """UUID() reads many forms; an answer's is the only one that is taken."""
    try:
        identifier = UUID(text)
    except ValueError:
        return None
    return identifier if str(identifier) == text.lower() else None


def _refusal(error: ValidationError) -> RefusedFields:
    """By what is wrong: a body that breaks the schema anywhere is told so, whatever else it is told."""
    problems, count = problems_of(error), error.error_count()
    kinds = {detail["type"] for detail in error.errors(include_url=False, include_context=False, include_input=False)}
    if kinds == {INFERENCE_EXPIRED}:
        kind: type[RefusedFields] = InferenceExpired
    else:
        kind = UnknownInference if kinds <= {INFERENCE_UNKNOWN, INFERENCE_EXPIRED} else InvalidRequest
    return kind(problems, omitted=count - len(problems))


def _without_repetition(labels: Sequence[Labelled]) -> list[Labelled]:
    """Each prediction's label once. Raises: InvalidRequest where one prediction has two labels in one request: both
    were received at once, and none is the newer.
    """
    first: dict[tuple[str, int], Labelled] = {}
    conflicts = [
        _conflict(index, one)
        for index, one in enumerate(labels)
        if first.setdefault((one.inference_id, one.row or 0), one).label != one.label
    ]
    if conflicts:
        raise InvalidRequest(conflicts)
    return list(first.values())


def _conflict(index: int, label: Labelled) -> FieldProblem:
    return FieldProblem(
        pointer=f"/labels/{index}",
        code=LABEL_CONFLICT,
        found=shorten_json(label.label.model_dump(mode="json")),
        allowed="one label a prediction; `row` tells the predictions of one request apart, 0 is the first",
    )


def _by_hour(labels: Iterable[Labelled], received: datetime) -> Mapping[str, list[bytes]]:
    hours: dict[str, list[bytes]] = {}
    for one in labels:
        line = {
            "inference_id": one.inference_id,
            "row": one.row,
            "label": one.label,
            "received": received.isoformat(timespec="milliseconds"),
        }
        hours.setdefault(hour_path(time_of(one.inference_id)), []).append(to_json(line) + b"\n")
    return hours
