"""What every List operation of SageMaker does to its summaries: filter, sort, and cut into pages.

A page begins after the last entry of the former one, by its sort key: what is added or deleted between two calls
neither repeats an entry nor skips one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local.services.sagemaker.service_model import check, invalid, moment

DEFAULT_PAGE: Final = 10
"""Entries in an answer to a call without MaxResults, as on AWS."""

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """How one List operation names things: `name` and `status` are members of its summaries, `key` of its answer.

    `unique` is a number that tells summaries of one name apart.
    """

    operation: str
    key: str
    name: str
    status: str = ""
    unique: str = ""
    default_order: str = "Descending"

    def page(self, parameters: Mapping[str, Any], summaries: Iterable[Summary]) -> dict[str, Any]:
        """The page of a call. Times in `summaries` may have any form that `moment` reads.

        Raises: AWSValidationException for parameters that break the service model, or a token that is none.
        """
        check(self.operation, parameters)
        kept = [summary for summary in summaries if self._is_wanted(summary, parameters)]
        descending = parameters.get("SortOrder", self.default_order) == "Descending"
        ordered = sorted(kept, key=lambda summary: self._position(summary, parameters), reverse=descending)
        if (token := parameters.get("NextToken")) is not None:
            after = _position_of(token)
            ordered = [one for one in ordered if _follows(self._position(one, parameters), after, descending)]
        size = parameters.get("MaxResults") or DEFAULT_PAGE
        page: dict[str, Any] = {self.key: ordered[:size]}
        if len(ordered) > size:
            page["NextToken"] = _token_of(self._position(ordered[size - 1], parameters))
        return page

    def _is_wanted(self, summary: Summary, parameters: Mapping[str, Any]) -> bool:
        wanted_name, wanted_status = parameters.get("NameContains"), parameters.get("StatusEquals")
        if wanted_name and wanted_name.lower() not in summary[self.name].lower():
            return False
        if wanted_status and summary[self.status] != wanted_status:
            return False
        return all(
            _is_within(summary.get(member), parameters.get(f"{member}After"), parameters.get(f"{member}Before"))
            for member in ("CreationTime", "LastModifiedTime")
        )

    def _position(self, summary: Summary, parameters: Mapping[str, Any]) -> list[str]:
        """Where an entry stands: by what is sorted, and among equals by name and number."""
        own = [summary[self.name], f"{summary.get(self.unique) or 0:010d}"]
        match parameters.get("SortBy", "CreationTime"):
            case "CreationTime":
                return [moment(summary["CreationTime"]).isoformat(timespec="microseconds"), *own]
            case "Status":
                return [summary[self.status], *own]
            case _:
                return own


def _is_within(value: Any, after: Any, before: Any) -> bool:
    if value is None:
        return after is None and before is None
    found: datetime = moment(value)
    return (after is None or found > moment(after)) and (before is None or found < moment(before))


def _follows(position: list[str], after: list[str], descending: bool) -> bool:  # noqa: FBT001  # the order's sense
    return position < after if descending else position > after


def _token_of(position: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _position_of(token: str) -> list[str]:
    try:
        position = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as error:
        raise invalid("The pagination token is invalid.") from error
    if not isinstance(position, list) or not all(isinstance(part, str) for part in position):
        raise invalid("The pagination token is invalid.")
    return position
