"""What an expression refers to, read from its syntax tree: names that have no context here are refused beforehand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from jsonata import JException

from local.services.states.expressions import compiled

INVALID: Final = "INVALID_JSONATA_EXPRESSION"
UNSUPPORTED: Final = "UNSUPPORTED_JSONATA_EXPRESSION"
EVERYWHERE: Final = frozenset({"input", "context"})
FOLLOWING_STEPS: Final = frozenset({"stages", "predicate", "group", "terms"})
"""Parts of a node that have a context: what the node itself gives."""


def wrong_references(source: str, *, allowed: Collection[str]) -> Iterator[tuple[str, str]]:
    """(code, message) of each thing that the expression must not name; `allowed` are the members of `$states`."""
    try:
        tree = compiled(source).ast
    except (JException, AttributeError, TypeError, ValueError, LookupError) as error:
        yield INVALID, str(error)
        return
    yield from ((UNSUPPORTED, message) for message in dict.fromkeys(_walk(tree, allowed, has_context=False)))


def _walk(node: Any, allowed: Collection[str], *, has_context: bool) -> Iterator[str]:
    kind = getattr(node, "type", None)
    if kind == "variable":
        yield from _variable(node, has_context=has_context)
    elif kind in ("name", "wildcard", "descendant", "parent") and not has_context:
        yield f"Reference to '{node.value}' at the top level is not supported."
    if kind == "path":
        yield from _path(node, allowed, has_context=has_context)
        return
    for name, child in _children(node):
        yield from _walk(child, allowed, has_context=has_context or name in FOLLOWING_STEPS or kind == "transform")


def _path(node: Any, allowed: Collection[str], *, has_context: bool) -> Iterator[str]:
    first, *rest = node.steps
    yield from _walk(first, allowed, has_context=has_context)
    if first.type == "variable" and first.value == "states" and rest and rest[0].type == "name":
        member = rest[0].value
        if member not in allowed:
            yield f"Reference to '$states.{member}' is not supported here."
    for step in rest:
        yield from _walk(step, allowed, has_context=True)
    for name, child in _children(node):
        if name != "steps":
            yield from _walk(child, allowed, has_context=True)


def _variable(node: Any, *, has_context: bool) -> Iterator[str]:
    if node.value == "$":
        yield "Reference to '$$' is not supported."
    elif node.value == "" and not has_context:
        yield "Reference to '$' at the top level is not supported."
    elif node.value == "eval":
        yield "Function '$eval' is not supported."


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """The nodes below a node, each with the name of the part that it is in; what a lambda or a bind names is none."""
    if not hasattr(node, "__dict__"):
        return
    own_names = {("lambda", "arguments"), ("bind", "lhs")}
    for name, value in vars(node).items():
        if name not in ("outer_instance", "_outer_instance") and (node.type, name) not in own_names:
            yield from ((name, each) for each in _nodes(value))


def _nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _nodes(each)
    elif hasattr(value, "type") and hasattr(value, "__dict__") and not isinstance(value, str):
        yield value
