"""What a change set says that it would do: a plan in the words of DescribeChangeSet.

A property's change is `Dynamic` where its value is known only during execution. Drift is never looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.deploy.changes import Action, Change, changed_paths
from local.deploy.documents import Json, PropertyPath, compact, text
from local.deploy.engine import Foresight
from local.deploy.intrinsics import Unknown, attribute_target, function_name, unknown_in
from local.deploy.state import ResourceState
from local.deploy.template import Template, TemplateResource

_ACTIONS = {Action.CREATE: "Add", Action.UPDATE: "Modify", Action.REPLACE: "Modify", Action.DELETE: "Remove"}
_AFTER_DEPLOY = "{{changeSet:KNOWN_AFTER_APPLY}}"


def described_changes(foresight: Foresight) -> tuple[Mapping[str, Json], ...]:
    """Every change of a plan, as the API has it."""
    return tuple(_described(change, foresight) for change in foresight.plan.changes if change.action is not Action.KEEP)


def _described(change: Change, foresight: Foresight) -> dict[str, Json]:
    before = foresight.plan.before.resources.get(change.logical_id)
    resource = foresight.plan.template.resources.get(change.logical_id)
    facts: dict[str, Json] = {
        "Action": _ACTIONS[change.action],
        "LogicalResourceId": change.logical_id,
        "PhysicalResourceId": change.physical_id or None,
        "ResourceType": change.resource_type,
    }
    if change.action is Action.CREATE:
        after = {"Properties": _shown(foresight.properties[change.logical_id])}
        return _change(**facts, Scope=[], Details=[], AfterContext=compact(after))
    if change.action is Action.DELETE or before is None or resource is None:
        retained = before is not None and before.deletion_policy == "Retain"
        return _change(**facts, PolicyAction="Retain" if retained else "Delete", Scope=[], Details=[])
    attributes = [name for name in change.scope if name not in ("Properties", "Tags")]
    details = [*_details(before, resource, foresight), *map(_attribute_detail, attributes)]
    return _change(
        **facts,
        **_replacement(change, resource, details),
        Scope=list(dict.fromkeys(detail["Target"]["Attribute"] for detail in details)),
        Details=details,
        BeforeContext=compact({"Properties": dict(before.properties)}),
        AfterContext=compact({"Properties": _shown(foresight.properties[change.logical_id])}),
    )


def _replacement(change: Change, resource: TemplateResource, details: list[dict[str, Json]]) -> dict[str, str]:
    if change.action is Action.UPDATE:
        return {"Replacement": "False"}
    policy = {"PolicyAction": "ReplaceAndRetain" if resource.replace_policy == "Retain" else "ReplaceAndDelete"}
    forcing = [detail for detail in details if detail["Target"].get("RequiresRecreation") == "Always"]
    is_certain = not forcing or any(detail["Evaluation"] == "Static" for detail in forcing)
    return {**policy, "Replacement": "True" if is_certain else "Conditional"}


def _details(before: ResourceState, resource: TemplateResource, foresight: Foresight) -> Iterator[dict[str, Json]]:
    after = foresight.properties[resource.logical_id]
    create_only = foresight.finder.of(before).create_only()
    for path in changed_paths(before, after):
        recreates = any(path[: len(only)] == only[: len(path)] for only in create_only)
        old, new = _at(before.properties, path), _at(after, path)
        is_tag = path[0] == "Tags"
        yield {
            "Target": {
                "Attribute": "Tags" if is_tag else "Properties",
                "Name": None if is_tag else path[0],
                "RequiresRecreation": "Always" if recreates else "Never",
                "Path": "/" + "/".join(("Properties", *path)),
                "BeforeValue": _value(old),
                "AfterValue": _value(new),
                "AttributeChangeType": "Add" if old is None else "Remove" if new is None else "Modify",
            },
            "Evaluation": "Static" if unknown_in(new) is None else "Dynamic",
            **_source(_expression(resource.properties, path), foresight.plan.template),
        }


def _attribute_detail(name: str) -> dict[str, Json]:
    """A change of what the template says beside the properties."""
    return {
        "Target": {"Attribute": name, "RequiresRecreation": "Never"},
        "Evaluation": "Static",
        "ChangeSource": "DirectModification",
    }


def _expression(properties: Json, path: PropertyPath) -> Json:
    """What the template has at a path, or the function call that yields it."""
    for key in path:
        if not isinstance(properties, Mapping) or key not in properties:
            break
        properties = properties[key]
    return properties


def _source(expression: Json, template: Template) -> dict[str, Json]:
    """Why a property changes: the first thing that its expression refers to, or the template's own edit."""
    match _first_reference(expression):
        case ("Ref", str(name)) if name in template.section("Parameters"):
            return {"ChangeSource": "ParameterReference", "CausingEntity": name}
        case ("Ref", str(name)) if name in template.resources:
            return {"ChangeSource": "ResourceReference", "CausingEntity": name}
        case ("Fn::GetAtt", argument):
            logical_id, attribute = attribute_target(argument)
            return {"ChangeSource": "ResourceAttribute", "CausingEntity": f"{logical_id}.{attribute}"}
        case _:
            return {"ChangeSource": "DirectModification", "CausingEntity": None}


def _first_reference(value: Json) -> tuple[str, Json] | None:
    if isinstance(value, dict):
        name = function_name(value)
        if name in ("Ref", "Fn::GetAtt"):
            return name, value[name]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in inside if (found := _first_reference(item)) is not None), None)


def _change(**facts: Any) -> dict[str, Json]:
    return {"Type": "Resource", "ResourceChange": facts}


def _at(document: Json, path: PropertyPath) -> Json:
    """What stands at a path, lists as a whole."""
    for key in path:
        if not isinstance(document, Mapping) or key not in document:
            return None if isinstance(document, Mapping) else document
        document = document[key]
    return document


def _value(value: Json) -> str | None:
    shown = _shown(value)
    return None if shown is None else compact(shown) if isinstance(shown, (dict, list)) else text(shown)


def _shown(value: Json) -> Json:
    if isinstance(value, Unknown):
        return _AFTER_DEPLOY
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list) else value


def without_values(change: Mapping[str, Json]) -> Mapping[str, Json]:
    """The same change as DescribeChangeSet shows it where nobody asks for property values."""
    hidden = ("BeforeContext", "AfterContext")
    facts = {name: fact for name, fact in change["ResourceChange"].items() if name not in hidden}
    values = ("Path", "BeforeValue", "AfterValue", "AttributeChangeType")
    details = [
        {**detail, "Target": {name: fact for name, fact in detail["Target"].items() if name not in values}}
        for detail in facts["Details"]
    ]
    return {**change, "ResourceChange": {**facts, "Details": details}}
