"""Tags of alarms and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.services.cloudwatch.book import AlarmBook, with_tags
from local.services.cloudwatch.dashboards import Dashboards
from local.services.cloudwatch.errors import InvalidParameterValue, NoSuchTaggedResource

MOST_TAGS: Final = 50

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tagging:
    """The operations on tags."""

    book: AlarmBook
    dashboards: Dashboards

    def list_tags_for_resource(self, arguments: Arguments) -> dict[str, Any]:
        """The tags of an alarm or a dashboard."""
        tags = self._tags(arguments["ResourceARN"])
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def tag_resource(self, arguments: Arguments) -> dict[str, Any]:
        """Adds tags, or changes their values."""
        arn = arguments["ResourceARN"]
        tags = {**self._tags(arn), **{tag["Key"]: tag["Value"] for tag in arguments["Tags"]}}
        if len(tags) > MOST_TAGS:
            raise InvalidParameterValue(f"{arn} may have {MOST_TAGS} tags; found {len(tags)}")
        self._put(arn, tags)
        return {}

    def untag_resource(self, arguments: Arguments) -> dict[str, Any]:
        """Takes tags away."""
        arn = arguments["ResourceARN"]
        gone = set(arguments["TagKeys"])
        self._put(arn, {key: value for key, value in self._tags(arn).items() if key not in gone})
        return {}

    def _tags(self, arn: str) -> dict[str, str]:
        alarm = self.book.find(arn)
        if alarm is not None and alarm.arn == arn:
            return dict(alarm.tags)
        tags = self.dashboards.tags(arn)
        if tags is None:
            raise NoSuchTaggedResource(f"Resource not found for {arn}")
        return tags

    def _put(self, arn: str, tags: dict[str, str]) -> None:
        alarm = self.book.find(arn)
        if alarm is not None and alarm.arn == arn:
            self.book.move(with_tags(alarm, tags))
        else:
            self.dashboards.retag(arn, tags)
