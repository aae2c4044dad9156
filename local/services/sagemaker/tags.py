"""AddTags, ListTags and DeleteTags for everything of SageMaker that exists here, by its ARN."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from local.documents import Record
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.service_model import check, invalid

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]
Tags = Sequence[Mapping[str, str]]
Change = Callable[[Tags], Tags]
ChangeRecord = Callable[[str, Callable[[Record], Record]], Record | None]
"""(ARN, from a record to the next) -> the record as it is then, or None where there is none."""

MOST_TAGS = 50


class TagOperations:
    """The tags of models, endpoints and configs lie in moto's objects; those of `records` in their records.

    `records` is who changes them, by the kind that an ARN names.
    """

    def __init__(self, state: MotoState, records: Mapping[str, ChangeRecord]) -> None:
        self._state, self._records = state, records

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, parameters: Document) -> Document:
        """Set tags; a key that is there gets the new value."""
        check("AddTags", parameters)
        new = {tag["Key"]: tag["Value"] for tag in parameters["Tags"]}
        tags = self._change(parameters["ResourceArn"], lambda old: _as_tags({**_as_mapping(old), **new}))
        return {"Tags": tags}

    def list(self, parameters: Document) -> Document:
        """All tags at once: there are at most fifty."""
        check("ListTags", parameters)
        return {"Tags": self._change(parameters["ResourceArn"], lambda old: old)}

    def delete(self, parameters: Document) -> Document:
        """Take tags away; a key that is not there is no error."""
        check("DeleteTags", parameters)
        gone = set(parameters["TagKeys"])
        self._change(parameters["ResourceArn"], lambda old: [tag for tag in old if tag["Key"] not in gone])
        return {}

    def _change(self, arn: str, change: Change) -> Tags:
        """The tags of a resource after the change.

        Raises: AWSValidationException where there is no such resource, or too many tags.
        """
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind in self._records:
            record = self._records[kind](arn, lambda found: _retagged(found, change))
            if record is None:
                raise _unknown(arn)
            return list(record.get("Tags") or ())
        backend = self._state.backend
        objects: dict[str, Mapping[str, Any]] = {
            "model": backend._models,
            "endpoint": backend.endpoints,
            "endpoint-config": backend.endpoint_configs,
        }
        found = objects.get(kind, {}).get(name)
        if found is None:
            raise _unknown(arn)
        found.tags = _bounded(change(found.tags or []))
        return list(found.tags)


def _retagged(record: Record, change: Change) -> Record:
    old = record.get("Tags") or []
    tags = _bounded(change(old))
    return record if tags == old else {**record, "Tags": tags}


def _as_mapping(tags: Tags) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _as_tags(tags: Mapping[str, str]) -> Tags:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _bounded(tags: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    found = list(tags)
    if len(found) > MOST_TAGS:
        raise invalid(f"A resource can have {MOST_TAGS} tags at most; these would be {len(found)}.")
    return found


def _unknown(arn: str) -> Exception:
    return invalid(f'Could not find resource "{arn}".')
