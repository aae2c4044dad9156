"""A plan as data: what a deployment would do to each resource, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from local.deploy.documents import Properties, PropertyPath, differences
from local.deploy.intrinsics import unknown_in
from local.deploy.state import ResourceState, Status


class Action(StrEnum):
    """What happens to one resource."""

    CREATE = "Create"
    UPDATE = "Update"
    REPLACE = "Replace"
    DELETE = "Delete"
    KEEP = "Keep"


@dataclass(frozen=True)
class Change:
    """One resource's share of a plan.

    `settled` is false where a property will be known only during the deployment, which may then find less to do.
    `scope` has CloudFormation's words for what changes: Properties, Tags, Metadata, DeletionPolicy.
    """

    logical_id: str
    resource_type: str
    action: Action
    reasons: tuple[str, ...] = ()
    physical_id: str = ""
    settled: bool = True
    scope: tuple[str, ...] = ()


def changed_paths(old: ResourceState, properties: Properties) -> tuple[PropertyPath, ...]:
    """The properties in which a resource differs from what the template now asks for."""
    return tuple(dict.fromkeys(differences(dict(old.properties), dict(properties))))


def change_of_existing(
    old: ResourceState,
    properties: Properties,
    *,
    paths: Collection[PropertyPath],
    create_only: Collection[PropertyPath],
) -> Change:
    """What a difference at `paths` means for a resource that exists."""
    if not paths:
        failed = ("its last update failed",) if old.status is Status.UPDATE_FAILED else ()
        return _change(old, Action.UPDATE if failed else Action.KEEP, failed, settled=True)
    forcing = [path for path in paths if any(_overlap(path, only) for only in create_only)]
    settled = unknown_in(dict(properties)) is None
    if forcing:
        reasons = tuple(f"{'.'.join(path)} cannot change in place" for path in forcing)
        return _change(old, Action.REPLACE, reasons, settled=settled, scope=_scope(paths))
    reasons = tuple(f"{'.'.join(path)} changes" for path in paths)
    return _change(old, Action.UPDATE, reasons, settled=settled, scope=_scope(paths))


def _scope(paths: Collection[PropertyPath]) -> tuple[str, ...]:
    return tuple(sorted({"Tags" if path[0] == "Tags" else "Properties" for path in paths}))


def _change(
    old: ResourceState,
    action: Action,
    reasons: tuple[str, ...],
    *,
    settled: bool,
    scope: tuple[str, ...] = (),
) -> Change:
    return Change(
        logical_id=old.logical_id,
        resource_type=old.resource_type,
        action=action,
        reasons=reasons,
        physical_id=old.physical_id,
        settled=settled,
        scope=scope,
    )


def _overlap(path: PropertyPath, other: PropertyPath) -> bool:
    shorter = min(len(path), len(other))
    return path[:shorter] == other[:shorter]
