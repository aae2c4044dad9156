"""Which resource and method a path finds."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.apigateway.api import Authorisation, Method, Mock, Resource
from local.services.apigateway.routing import Router


def resource(path: str, *methods: str) -> Resource:
    mock = Mock(200, {}, "")
    made = {name: Method(name, Authorisation.NONE, api_key_required=False, integration=mock) for name in methods}
    return Resource(id=path, path=path, methods=made)


PETS = Router(
    [
        resource("/", "GET"),
        resource("/pets", "GET", "POST"),
        resource("/pets/{id}", "GET"),
        resource("/pets/new", "POST"),
        resource("/pets/{id}/toys/{toy}", "ANY"),
        resource("/pets/{proxy+}", "ANY"),
        resource("/{proxy+}", "OPTIONS"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/", ("/", {})),
        ("GET", "", ("/", {})),
        ("GET", "/pets", ("/pets", {})),
        ("GET", "/pets/", ("/pets", {})),
        ("GET", "/pets/7", ("/pets/{id}", {"id": "7"})),
        ("GET", "/pets/a%2Fb", ("/pets/{id}", {"id": "a%2Fb"})),
        ("POST", "/pets/new", ("/pets/new", {})),
        ("POST", "/pets/%6Eew", ("/pets/new", {})),
        ("GET", "/pets/new", ("/pets/{id}", {"id": "new"})),
        ("PUT", "/pets/7", ("/pets/{proxy+}", {"proxy": "7"})),
        ("GET", "/pets/7/toys/3", ("/pets/{id}/toys/{toy}", {"id": "7", "toy": "3"})),
        ("GET", "/pets/7/toys", ("/pets/{proxy+}", {"proxy": "7/toys"})),
        ("GET", "/pets/7/toys/3/x/", ("/pets/{proxy+}", {"proxy": "7/toys/3/x"})),
        ("OPTIONS", "/pets", ("/{proxy+}", {"proxy": "pets"})),
        ("DELETE", "/pets", None),
        ("GET", "/other", None),
        ("OPTIONS", "/", None),
    ],
)
def test_a_path_finds_the_most_specific_resource_that_has_the_method(
    method: str, path: str, found: tuple[str, dict[str, str]] | None
) -> None:
    route = PETS.match(method, path)

    assert (None if route is None else (route.resource.path, route.path_parameters)) == found


WORDS = st.sampled_from(["a", "b", "c"])
PATTERNS = st.lists(st.sampled_from(["a", "b", "{x}"]), max_size=3).flatmap(
    lambda parts: st.sampled_from(["/".join(parts), "/".join([*parts, "{p+}"])])
)


def rank(pattern: str, path: list[str]) -> tuple[int, ...] | None:
    """How specific a matching pattern is, part by part (0 is best); None where it does not match."""
    parts = [part for part in pattern.split("/") if part]
    ranks: list[int] = []
    for index, part in enumerate(parts):
        if part.endswith("+}"):
            return (*ranks, 2) if index < len(path) else None
        if index >= len(path) or (not part.startswith("{") and part != unquote(path[index])):
            return None
        ranks.append(1 if part.startswith("{") else 0)
    return tuple(ranks) if len(parts) == len(path) else None


@given(patterns=st.lists(PATTERNS, unique=True, max_size=8), path=st.lists(WORDS, max_size=4))
def test_the_router_agrees_with_ranking_every_pattern(patterns: list[str], path: list[str]) -> None:
    router = Router([resource(f"/{pattern}", "ANY") for pattern in patterns])

    route = router.match("GET", "/" + "/".join(path))

    ranked = {pattern: rank(pattern, path) for pattern in patterns}
    best = min((found for found in ranked.values() if found is not None), default=None)
    assert (None if route is None else rank(route.resource.path, path)) == best
