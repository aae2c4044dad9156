"""Dashboards: documents of widgets, checked for their form as CloudWatch checks them, and kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from local.clock import Clock
from local.documents import Documents
from local.services.cloudwatch.errors import InvalidDashboard, InvalidParameterValue, NoSuchResource
from local.services.cloudwatch.times import moment

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
LARGEST_BYTES: Final = 1024 * 1024
MOST_WIDGETS: Final = 500
WIDGETS: Final = frozenset({"metric", "text", "log", "alarm", "explorer", "custom"})
A_PAGE: Final = 100

Arguments = Mapping[str, Any]


class Dashboards:
    """The dashboards of one account."""

    def __init__(self, documents: Documents, clock: Clock, *, account: str) -> None:
        self._documents, self._clock, self._account = documents, clock, account

    def put_dashboard(self, arguments: Arguments) -> dict[str, Any]:
        """Keeps a dashboard in place of a former one; what CloudWatch would warn of is in the answer."""
        name, body = arguments["DashboardName"], arguments["DashboardBody"]
        if not NAME.fullmatch(name):
            raise InvalidDashboard(
                f"The field DashboardName must have 1 to 255 of the characters A-Z, a-z, 0-9, - and _; found {name!r}"
            )
        warnings = list(_checked(body))
        former = self._documents.get(name) or {}
        tags = {tag["Key"]: tag["Value"] for tag in arguments.get("Tags") or ()}
        record = {"body": body, "at": self._clock.now().timestamp(), "tags": former.get("tags", tags)}
        self._documents.put(name, record)
        return {"DashboardValidationMessages": warnings}

    def get_dashboard(self, arguments: Arguments) -> dict[str, Any]:
        """A dashboard's document."""
        name = arguments["DashboardName"]
        found = self._documents.get(name)
        if found is None:
            raise NoSuchResource(f"Dashboard {name} does not exist")
        return {"DashboardArn": self.arn(name), "DashboardBody": found["body"], "DashboardName": name}

    def list_dashboards(self, arguments: Arguments) -> dict[str, Any]:
        """The dashboards by name."""
        prefix = arguments.get("DashboardNamePrefix") or ""
        found = sorted((name, record) for name, record in self._documents.items() if name.startswith(prefix))
        first = arguments.get("NextToken") or ""
        rest = [(name, record) for name, record in found if name > first]
        page = rest[:A_PAGE]
        token = {"NextToken": page[-1][0]} if len(rest) > A_PAGE else {}
        return {"DashboardEntries": [self._entry(name, record) for name, record in page], **token}

    def delete_dashboards(self, arguments: Arguments) -> dict[str, Any]:
        """All of the named ones, or none where one is not there."""
        names = arguments["DashboardNames"]
        missing = [name for name in names if self._documents.get(name) is None]
        if missing:
            raise NoSuchResource(f"Dashboard {', '.join(missing)} does not exist")
        for name in names:
            self._documents.delete(name)
        return {}

    def tags(self, arn: str) -> dict[str, str] | None:
        """The tags of the dashboard with an ARN; None where it is no dashboard's."""
        found = self._documents.get(self._name(arn))
        return None if found is None or arn != self.arn(self._name(arn)) else dict(found["tags"])

    def retag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Gives a dashboard these tags."""
        name = self._name(arn)
        found = self._documents.get(name)
        if found is not None:
            self._documents.put(name, {**found, "tags": dict(tags)})

    def arn(self, name: str) -> str:
        """A dashboard's ARN, which has no region."""
        return f"arn:aws:cloudwatch::{self._account}:dashboard/{name}"

    def _name(self, arn: str) -> str:
        return arn.rpartition(":dashboard/")[2]

    def _entry(self, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "DashboardName": name,
            "DashboardArn": self.arn(name),
            "LastModified": moment(record["at"]),
            "Size": len(record["body"].encode()),
        }


def _checked(body: str) -> Iterator[dict[str, str]]:
    """Raises InvalidDashboard where the body is none; gives a warning for each field that would be ignored."""
    if len(body.encode()) > LARGEST_BYTES:
        raise InvalidParameterValue(f"The dashboard body may have {LARGEST_BYTES} bytes")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidDashboard(
            f"The field DashboardBody must be a valid JSON object; found at its character {getattr(error, 'pos', 0)}: "
            f"{error}"
        ) from error
    if not isinstance(document, dict):
        raise InvalidDashboard("The field DashboardBody must be a valid JSON object")
    widgets = document.get("widgets", [])
    if not isinstance(widgets, list):
        raise _invalid(["/widgets: Should be array"])
    if len(widgets) > MOST_WIDGETS:
        raise InvalidDashboard(f"A dashboard may have {MOST_WIDGETS} widgets; found {len(widgets)}")
    problems = [problem for index, widget in enumerate(widgets) for problem in _problems(widget, f"/widgets/{index}")]
    if problems:
        raise _invalid(problems)
    yield from _warnings(document)


def _invalid(problems: Sequence[str]) -> InvalidDashboard:
    return InvalidDashboard(
        f"The dashboard body is invalid, there are {len(problems)} validation errors: {'; '.join(problems)}"
    )


def _problems(widget: Any, where: str) -> Iterator[str]:
    if not isinstance(widget, dict):
        yield f"{where}: Should be object"
        return
    if widget.get("type") not in WIDGETS:
        yield f"{where}/type: Should match one of {', '.join(sorted(WIDGETS))}; found {widget.get('type')!r}"
    if not isinstance(widget.get("properties", {} if widget.get("type") == "text" else None), dict):
        yield f"{where}: Should have property properties"
    for name, largest in (("x", 23), ("width", 24), ("height", 1000)):
        value = widget.get(name)
        if value is not None and not (isinstance(value, int) and 0 <= value <= largest):
            yield f"{where}/{name}: Should be a whole number up to {largest}; found {value!r}"


def _warnings(document: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    known = {"widgets", "start", "end", "periodOverride", "variables", "sharing"}
    for name in sorted(document.keys() - known):
        yield {"DataPath": f"/{name}", "Message": f"Unknown property {name} is ignored"}
