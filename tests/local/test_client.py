"""The signed call of the command line: which addresses it takes, and what it sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials

from local.client import Target, aws_target, call
from model_packages.errors import OperatorError

Seen = tuple[str, str | None]


@pytest.fixture
def server() -> Iterator[tuple[str, list[Seen]]]:
    """The address of a server, and the path and content type of each request that it gets."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, self.headers["content-type"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the name is the standard library's
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "url", ["", "nonsense", "https://", "http://abc/api", "ftp://abc/api", "https://[::1", "https://a b"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(OperatorError, match="found the address"):
        aws_target(url)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://abc123.execute-api.eu-west-1.amazonaws.com/api/", "eu-west-1"),
        ("https://models.example.com", "us-east-1"),
        ("https://localhost:8443/api", "us-east-1"),
    ],
)
def test_the_address_says_which_region_signs(url: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    target = aws_target(url)

    assert (target.url, target.region) == (url.rstrip("/"), region)


@pytest.mark.parametrize("body", [b"{}", b""])
def test_a_body_is_json_even_if_it_is_empty(server: tuple[str, list[Seen]], body: bytes) -> None:
    url, seen = server
    target = Target(url=url, region="us-east-1", credentials=ReadOnlyCredentials("a", "b", None), certificate=None)

    answer = call(target, method="POST", path="/models/a b/predict", body=body)

    assert (answer.status, seen) == (200, [("/models/a%20b/predict", "application/json")])
