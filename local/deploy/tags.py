"""Tags as templates write them, `[{"Key": ..., "Value": ...}]`, and the two calls that change them."""

from __future__ import annotations

from collections.abc import Callable

from local.deploy.documents import Json, Properties, text


def tag_map(properties: Properties) -> dict[str, str]:
    """A resource's tags as key and value; templates write them as a list or as a map."""
    tags: Json = properties.get("Tags") or {}
    pairs = tags.items() if isinstance(tags, dict) else ((tag["Key"], tag["Value"]) for tag in tags)
    return {key: text(value) for key, value in pairs}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def change_tags(
    old: Properties,
    new: Properties,
    *,
    put: Callable[[dict[str, str]], object],
    remove: Callable[[list[str]], object],
) -> None:
    """Calls `put` with the tags that are new or other than before, `remove` with the keys that are gone."""
    before, after = tag_map(old), tag_map(new)
    if added := {key: value for key, value in after.items() if before.get(key) != value}:
        put(added)
    if gone := [key for key in before if key not in after]:
        remove(gone)
