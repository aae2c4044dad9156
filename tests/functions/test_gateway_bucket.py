"""What the gateway asks S3 for, and what it makes of S3's refusals, over real HTTP to a server of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from functions.gateway.bucket import Bucket, make_s3_client
from model_packages.errors import StoreUnavailable

REFUSAL = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>secret words</Message></Error>"


@dataclass
class ScriptedS3:
    """Answers each PUT with the next status, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [200])
    puts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    scripted = ScriptedS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            scripted.puts.append((self.path, headers, body))
            status = scripted.statuses[min(len(scripted.puts), len(scripted.statuses)) - 1]
            content = b"" if status == 200 else REFUSAL
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the name is the standard library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield scripted
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(s3: ScriptedS3) -> Iterator[Bucket]:
    client = make_s3_client()
    yield Bucket("flyball-captures", make_client=lambda: client)
    client.close()


def test_an_object_is_put_as_it_is_and_encrypted_as_the_bucket_says(s3: ScriptedS3, bucket: Bucket) -> None:
    bucket.put("labels/e/2026/02/14/17/x.jsonl", b'{"a":1}\n')

    [(path, headers, body)] = s3.puts
    assert path == "/flyball-captures/labels/e/2026/02/14/17/x.jsonl"
    assert (body, headers["content-type"]) == (b'{"a":1}\n', "application/x-ndjson")
    assert not any("encryption" in name for name in headers)


def test_a_refusal_is_told_by_s3_s_word_alone(s3: ScriptedS3, bucket: Bucket) -> None:
    s3.statuses = [403]

    with pytest.raises(StoreUnavailable) as raised:
        bucket.put("k", b"x")

    assert str(raised.value) == "S3 refused k: AccessDenied"
    assert len(s3.puts) == 1


def test_what_passes_is_tried_once_more(s3: ScriptedS3, bucket: Bucket) -> None:
    s3.statuses = [503, 200]

    bucket.put("k", b"x")

    assert [body for _, _, body in s3.puts] == [b"x", b"x"]


def test_a_store_that_nobody_answers_for_is_unavailable(monkeypatch: pytest.MonkeyPatch, s3: ScriptedS3) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the discard port, where nobody listens
    client = make_s3_client()

    with pytest.raises(StoreUnavailable, match="S3 could not be reached for k: EndpointConnectionError"):
        Bucket("b", make_client=lambda: client).put("k", b"x")

    client.close()


def test_no_client_is_made_before_it_is_needed() -> None:
    made: list[str] = []

    Bucket("b", make_client=lambda: made.append("client"))

    assert made == []
