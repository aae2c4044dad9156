"""Where an API stands in its URL is read from the event, whatever stage or domain it has."""

from __future__ import annotations

import pytest

from functions.shared.proxy import read_base_path, read_host, read_path


@pytest.mark.parametrize(
    ("resource", "parameters", "full", "base", "path"),
    [
        ("/", None, "/api/", "/api", "/"),
        ("/", None, "/api", "/api", "/"),
        ("/", None, "/", "", "/"),
        ("/models", None, "/api/models", "/api", "/models"),
        ("/models", None, "/models", "", "/models"),
        ("/models/{name}", {"name": "flowers"}, "/v1/models/flowers", "/v1", "/models/flowers"),
        ("/models/flowers", None, "/api/models/flowers", "/api", "/models/flowers"),
        (
            "/models/{name}/{proxy+}",
            {"name": "x", "proxy": "v2/infer"},
            "/api/models/x/v2/infer",
            "/api",
            "/models/x/v2/infer",
        ),
        ("/models/{name}", {"name": "a b"}, "/api/models/a%20b", "/api", "/models/a b"),
        ("/models/{name}", {"name": "flowers"}, "/api/models/flowers/", "/api", "/models/flowers"),
        ("/models", None, "/api//models/", "/api", "/models"),
    ],
)
def test_the_base_path_is_what_stands_before_the_api_s_own(
    resource: str, parameters: dict[str, str] | None, full: str, base: str, path: str
) -> None:
    event = {"resource": resource, "pathParameters": parameters, "requestContext": {"path": full}}

    assert (read_base_path(event), read_path(event)) == (base, path)


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({}, "api.example.com"),
        ({"X-Forwarded-Port": "443"}, "api.example.com"),
        ({"X-Forwarded-Port": "8443"}, "api.example.com:8443"),
    ],
)
def test_the_host_is_the_one_that_was_asked(headers: dict[str, str], host: str) -> None:
    event = {"headers": headers, "requestContext": {"domainName": "api.example.com"}}

    assert read_host(event) == host
