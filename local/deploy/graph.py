"""Which resource needs which, and an order in which each comes after all that it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from local.deploy.documents import Json
from local.deploy.errors import TemplateError
from local.deploy.intrinsics import attribute_target, function_name, substituted
from local.deploy.template import TemplateResource


def references(value: Json) -> Iterator[str]:
    """Every name that Ref, Fn::GetAtt or Fn::Sub mentions inside `value`, in every branch of a Fn::If."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        if (name := function_name(value)) is not None:
            yield from _mentioned(name, value[name])
        for item in value.values():
            yield from references(item)


def _mentioned(function: str, argument: Json) -> Iterator[str]:
    match function:
        case "Ref":
            yield argument
        case "Fn::GetAtt":
            yield attribute_target(argument)[0]
        case "Fn::Sub":
            template, given = (argument, {}) if isinstance(argument, str) else argument
            yield from (name.partition(".")[0] for name in substituted(template) if name not in given)


def dependencies(resources: Mapping[str, TemplateResource]) -> dict[str, tuple[str, ...]]:
    """What each resource needs of the others: what it refers to, and its DependsOn."""
    return {logical_id: _needed(resource, resources.keys()) for logical_id, resource in resources.items()}


def _needed(resource: TemplateResource, present: Collection[str]) -> tuple[str, ...]:
    named = dict.fromkeys((*resource.depends_on, *references(resource.properties)))
    return tuple(name for name in named if name in present)


def topological_order(needs: Mapping[str, Collection[str]], *, stack_name: str) -> tuple[str, ...]:
    """Every key after all that it needs; the same input gives the same order. Raises TemplateError on a cycle."""
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        cycle = ", ".join(sorted(set(error.args[1])))
        problem = f"Circular dependency between resources: [{cycle}]"
        raise TemplateError(stack_name=stack_name, problem=problem) from error
