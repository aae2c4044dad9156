"""Which resource and method a request is for, as API Gateway decides it.

Static parts go before `{parameter}`, which goes before `{proxy+}`; a resource that lacks the method is passed over
for a less specific one that has it (AWS does the same). Parts are compared as they came over the wire: an encoded
slash separates nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from local.services.apigateway.api import ANY, Method, Resource


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes; path parameters are still percent-encoded."""

    resource: Resource
    method: Method
    path_parameters: dict[str, str]


@dataclass(slots=True)
class Node:
    """One place in the tree of path parts."""

    resource: Resource | None = None
    static: dict[str, Node] = field(default_factory=dict)
    parameter: tuple[str, Node] | None = None
    greedy: tuple[str, Node] | None = None


class Router:
    """Finds routes among the resources of one deployment."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._root = Node()
        for resource in resources:
            self._add(resource)

    def match(self, http_method: str, path: str) -> Route | None:
        """The route of `path`, which starts with a slash and is percent-encoded; None where there is none."""
        parts = [part for part in path.split("/") if part]
        for resource, parameters in candidates(self._root, parts, {}):
            method = resource.methods.get(http_method) or resource.methods.get(ANY)
            if method is not None:
                return Route(resource, method, parameters)
        return None

    def _add(self, resource: Resource) -> None:
        node = self._root
        for part in (part for part in resource.path.split("/") if part):
            node = child(node, part)
        node.resource = resource


def child(node: Node, part: str) -> Node:
    """The node below, made where it is missing."""
    if part.startswith("{") and part.endswith("+}"):
        node.greedy = node.greedy or (part[1:-2], Node())
        return node.greedy[1]
    if part.startswith("{") and part.endswith("}"):
        node.parameter = node.parameter or (part[1:-1], Node())
        return node.parameter[1]
    return node.static.setdefault(part, Node())


def candidates(node: Node, parts: list[str], found: dict[str, str]) -> Iterator[tuple[Resource, dict[str, str]]]:
    """Every resource that the parts fit, the most specific first."""
    if not parts:
        if node.resource is not None:
            yield node.resource, found
        return
    first, rest = parts[0], parts[1:]
    if (static := node.static.get(unquote(first))) is not None:
        yield from candidates(static, rest, found)
    if node.parameter is not None:
        name, below = node.parameter
        yield from candidates(below, rest, {**found, name: first})
    if node.greedy is not None:
        name, below = node.greedy
        yield from candidates(below, [], {**found, name: "/".join(parts)})
