"""What watching each model costs: its metrics, alarms and dashboard, in one line a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdk.cost.lines import CostLine

METRICS, ALARM, COMPOSITE, DASHBOARD = (
    "AWS::Lambda::Function",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
)


def summary(lines: Sequence[CostLine], *, owners: Sequence[str]) -> Iterator[str]:
    """A line for each package that has metrics of its own."""
    for owner in owners:
        own = [line for line in lines if line.package == owner]
        metrics = [line for line in own if line.resource_type == METRICS and line.metrics]
        if metrics:
            yield f"{owner}: {'; '.join([_metrics(metrics), *_alarms(own), *_dashboards(own)])}"


def _metrics(lines: Sequence[CostLine]) -> str:
    count = sum(line.metrics for line in lines)
    of_fields = sum(line.metrics for line in lines if line.what.endswith("of fields"))
    return f"{count} metrics, {of_fields} of them of fields: {_usd(lines)}"


def _alarms(lines: Sequence[CostLine]) -> Iterator[str]:
    alarms = [line for line in lines if line.resource_type in (ALARM, COMPOSITE)]
    composites = sum(1 for line in alarms if line.resource_type == COMPOSITE)
    if alarms:
        yield f"{len(alarms)} alarms, {composites} of them composite: {_usd(alarms)}"


def _dashboards(lines: Sequence[CostLine]) -> Iterator[str]:
    dashboards = [line for line in lines if line.resource_type == DASHBOARD]
    if dashboards:
        yield f"dashboard: {_usd(dashboards)}"


def _usd(lines: Sequence[CostLine]) -> str:
    amounts = [line.least_usd for line in lines]
    return "unknown" if None in amounts else f"${sum(amount or 0.0 for amount in amounts):,.2f}"
