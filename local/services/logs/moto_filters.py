"""Metric filters as moto keeps them, compiled; and the pattern engine in the place of moto's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import logs_backends

from local.services.iam.moto_resources import backend_of
from local.services.logs.filter_patterns import compiled
from local.services.logs.metric_filters import FiltersOf, MetricFilter, checked, metric_filters
from local.services.logs.problems import InvalidPattern, InvalidTransformation


def moto_metric_filters(*, account: str, region: str) -> FiltersOf:
    """The filters of a group of one account and region, as they are when asked."""

    def filters_of(group: str) -> Sequence[MetricFilter]:
        kept = backend_of(logs_backends, account, region).filters.metric_filters
        return metric_filters([entry for entry in list(kept) if entry["logGroupName"] == group]) if kept else ()

    return filters_of


class PatternFilter:
    """In place of moto's EventMessageFilter."""

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = compiled(pattern or "")
        except InvalidPattern as error:
            raise InvalidParameterException(msg=str(error)) from error

    def matches(self, message: str) -> bool:
        return self._pattern(message) is not None


def put_in_place(
    filters: Any, filter_name: str, filter_pattern: str, log_group_name: str, metric_transformations: Any
) -> None:
    """In place of moto's MetricFilters.add_filter, which keeps a second one of the same name and checks nothing."""
    try:
        checked(filter_pattern or "", metric_transformations)
    except (InvalidPattern, InvalidTransformation) as error:
        raise InvalidParameterException(msg=str(error)) from error
    filters.delete_filter(filter_name, log_group_name)
    filters.metric_filters.append(
        {
            "filterName": filter_name,
            "filterPattern": filter_pattern,
            "logGroupName": log_group_name,
            "metricTransformations": metric_transformations,
        }
    )
