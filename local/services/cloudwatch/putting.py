"""PutMetricData: from the call's members to samples, refused as CloudWatch refuses them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from local.clock import Clock
from local.services.cloudwatch.errors import (
    InvalidCombination,
    InvalidParameterValue,
    MissingParameter,
    Unsupported,
    ValidationFailed,
)
from local.services.cloudwatch.metric import Metric, check_dimensions, check_text, check_unit, dimensions_in
from local.services.cloudwatch.samples import Samples
from local.services.cloudwatch.store import MetricStore

MOST_DATA: Final = 1000
MOST_VALUES: Final = 150
LARGEST: Final = 2.0**360
OLDEST_SECONDS: Final = 14 * 86_400
NEWEST_SECONDS: Final = 2 * 3600

Datum = Mapping[str, Any]


class MetricPutting:
    """Takes data in; `before` is called first, so that alarms have been evaluated up to now without it."""

    def __init__(self, store: MetricStore, clock: Clock, *, before: Callable[[], None]) -> None:
        self._store, self._clock, self._before = store, clock, before

    def put_metric_data(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The operation."""
        if arguments.get("EntityMetricData"):
            raise Unsupported("entities (EntityMetricData)")
        namespace: str = arguments["Namespace"]
        check_text(namespace, "Namespace")
        if namespace.startswith("AWS/"):
            raise InvalidParameterValue(f"The value AWS/ for parameter Namespace is invalid; found {namespace}")
        if namespace.startswith(":"):
            raise InvalidParameterValue("The parameter Namespace must not start with a colon")
        data: Sequence[Datum] = arguments.get("MetricData") or ()
        if not data:
            raise MissingParameter("The parameter MetricData is required.")
        if len(data) > MOST_DATA:
            raise ValidationFailed(
                f"The collection MetricData must not have a size greater than {MOST_DATA}; found {len(data)}"
            )
        now = self._clock.now()
        checked = [_checked(datum, f"MetricData.member.{index}", now) for index, datum in enumerate(data, start=1)]
        self._before()
        for datum, (samples, moment) in zip(data, checked, strict=True):
            metric = Metric(namespace, datum["MetricName"], dimensions_in(datum))
            resolution = datum.get("StorageResolution") or 60
            self._store.put(metric, moment, samples, unit=datum.get("Unit") or "None", resolution=resolution)
        return {}


def _checked(datum: Datum, where: str, now: datetime) -> tuple[Samples, float]:
    check_text(datum["MetricName"], f"{where}.MetricName")
    check_dimensions(dimensions_in(datum), f"{where}.Dimensions")
    if datum.get("Unit"):
        check_unit(datum["Unit"], f"{where}.Unit")
    if datum.get("StorageResolution") not in (None, 1, 60):
        raise InvalidParameterValue(
            f"The parameter {where}.StorageResolution must be 1 or 60; found {datum['StorageResolution']}"
        )
    return _samples(datum, where), _moment(datum.get("Timestamp") or now, now, where)


def _moment(moment: datetime, now: datetime, where: str) -> float:
    age = now.timestamp() - moment.timestamp()
    if age > OLDEST_SECONDS:
        raise InvalidParameterValue(
            f"The parameter {where}.Timestamp must specify a time no more than two weeks in the past; found {moment}"
        )
    if age < -NEWEST_SECONDS:
        raise InvalidParameterValue(
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the future; found {moment}"
        )
    return moment.timestamp()


def _samples(datum: Datum, where: str) -> Samples:
    given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if not given:
        raise MissingParameter(f"At least one of the parameters {where}.Value or {where}.StatisticValues is required.")
    if len(given) > 1:
        raise InvalidCombination(
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive and you have specified "
            "both."
        )
    match given[0]:
        case "Value":
            return Samples.of([_number(datum["Value"], f"{where}.Value")])
        case "Values":
            return _of_values(datum, where)
        case _:
            return _of_statistics(datum["StatisticValues"], f"{where}.StatisticValues")


def _of_values(datum: Datum, where: str) -> Samples:
    values: Sequence[float] = datum["Values"]
    counts: Sequence[float] = datum.get("Counts") or [1.0] * len(values)
    if not values or len(values) > MOST_VALUES:
        raise InvalidParameterValue(f"{where}.Values must have 1 to {MOST_VALUES} values; found {len(values)}")
    if len(counts) != len(values):
        raise InvalidParameterValue(
            f"{where}.Values and {where}.Counts must have the same size; found {len(values)} and {len(counts)}"
        )
    samples = Samples()
    for index, (value, count) in enumerate(zip(values, counts, strict=True), start=1):
        times = _number(count, f"{where}.Counts.member.{index}")
        if times < 0:
            raise InvalidParameterValue(f"{where}.Counts.member.{index} must not be negative; found {times}")
        samples.add(_number(value, f"{where}.Values.member.{index}"), times)
    return samples


def _of_statistics(document: Mapping[str, float], where: str) -> Samples:
    for name in ("SampleCount", "Sum", "Minimum", "Maximum"):
        if name not in document:
            raise MissingParameter(f"The parameter {where}.{name} is required.")
        _number(document[name], f"{where}.{name}")
    if document["SampleCount"] < 0 or document["Minimum"] > document["Maximum"]:
        raise InvalidParameterValue(
            f"{where} must have a SampleCount that is not negative and a Minimum up to Maximum; found {dict(document)}"
        )
    return Samples.of_statistics(document)


def _number(given: float | str, where: str) -> float:
    """NaN and infinities come as texts in JSON."""
    value = float(given)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise InvalidParameterValue(f"The value {value} for parameter {where} is invalid: allowed is -2^360 to 2^360")
    return value
