"""The gateway behind HTTPS, called by real clients."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from local.clock import SystemClock
from local.services.apigateway.api import Api, ApiKey, Authorisation, LambdaProxy, Method, Resource, Stage
from local.services.apigateway.deployments import Served
from local.services.apigateway.gateway import LARGEST_REQUEST_BYTES, Account, Gateway
from local.services.apigateway.routing import Router
from local.services.apigateway.server import serve
from local.services.lambda_function import Invocation

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Backend:
    """One stage `api` with an open path, a signed one, and a function that shows what it was sent."""

    def __init__(self) -> None:
        proxy = LambdaProxy("echo", None, 5.0)
        paths = {"/open/{proxy+}": Authorisation.NONE, "/signed/{proxy+}": Authorisation.AWS_IAM}
        resources = tuple(
            Resource(path, path, {"ANY": Method("ANY", kind, api_key_required=False, integration=proxy)})
            for path, kind in paths.items()
        )
        stage = Stage("api", "abc123", "dep1")
        self.served = Served(Api("abc123", "flyball", "dep1", resources), stage, Router(resources))

    def serving(self, stage_name: str) -> Served | None:
        return self.served if stage_name == "api" else None

    def api_key(self, _value: str) -> ApiKey | None:
        return None

    async def invoke(self, _function_name: str, payload: bytes, *, qualifier: str | None = None) -> Invocation:
        event = json.loads(payload)
        shown = {name: event[name] for name in ("httpMethod", "path", "pathParameters", "queryStringParameters")}
        length = len(event["body"] or "")
        reply = {
            "statusCode": 200,
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": json.dumps({**shown, "length": length}),
        }
        return Invocation(json.dumps(reply).encode(), 200)


def ignore_lines(_group: str, _stream: str, _lines: Sequence[str]) -> None:
    """Nobody reads the log here."""


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context for localhost, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "localhost.pem", folder / "localhost.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_path.write_bytes(key.private_bytes(*plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_path, key_path)
    return context, certificate_path


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    backend = Backend()
    allow = {"Effect": "Allow", "Action": "lambda:*", "Principal": {"Service": "apigateway.amazonaws.com"}}
    gateway = Gateway(
        registry=backend,
        functions=backend,
        policy_of=lambda _name, _qualifier: (allow,),
        clock=SystemClock(),
        log=ignore_lines,
        account=Account("123456789012", "us-east-1", {"local": "local"}.get),
    )
    server = await serve(gateway, host="localhost", port=0, tls=tls)
    try:
        yield server.port
    finally:
        await server.close()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with listening(None) as port:
        yield port


async def call(port: int, method: str, path: str, **options: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://localhost:{port}{path}", **options) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text else None, response


async def test_a_call_over_https_reaches_the_function(tmp_path: Path) -> None:
    tls, trusted = self_signed(tmp_path)
    client = ssl.create_default_context(cafile=str(trusted))

    async with listening(tls) as port, aiohttp.ClientSession() as session:
        url = f"https://localhost:{port}/api/open/a/b?x=1"
        async with session.post(url, data=b"12345", ssl=client) as response:
            found = await response.json()

    assert found == {
        "httpMethod": "POST",
        "path": "/open/a/b",
        "pathParameters": {"proxy": "a/b"},
        "queryStringParameters": {"x": "1"},
        "length": 5,
    }


async def test_an_encoded_path_arrives_as_it_was_sent(port: int) -> None:
    url = URL(f"http://localhost:{port}/api/open/a%2Fb%20c/", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        found = await response.json()

    assert (found["path"], found["pathParameters"]) == ("/open/a%2Fb%20c/", {"proxy": "a%2Fb%20c"})


async def test_repeated_headers_stay_repeated(port: int) -> None:
    _status, _document, response = await call(port, "GET", "/api/open/x")

    assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["Content-Type"] == "application/json"


async def test_a_header_that_is_no_utf_8_reaches_the_function(port: int) -> None:
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"GET /api/open/x HTTP/1.1\r\nHost: localhost\r\nX-Name: \xe9\r\nConnection: close\r\n\r\n")

    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
async def test_every_method_reaches_an_any_route(port: int, method: str) -> None:
    status, document, _response = await call(port, method, "/api/open/x")

    assert status == 200
    assert document is None if method == "HEAD" else document["httpMethod"] == method


@pytest.mark.parametrize("target", [b"OPTIONS *", b"CONNECT localhost:443", b"GET https://localhost/api/open/x"])
async def test_a_request_that_names_no_path_is_forbidden(port: int, target: bytes) -> None:
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.endswith(b'{"message":"Forbidden"}')


async def test_a_client_that_leaves_is_nobodys_failure(port: int, caplog: pytest.LogCaptureFixture) -> None:
    _reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"POST /api/open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()

    status, _document, _response = await call(port, "GET", "/api/open/x")

    assert status == 200
    assert caplog.records == []


@pytest.mark.parametrize(("path", "message"), [("/", "Forbidden"), ("/prod/open/x", "Forbidden")])
async def test_another_stage_is_forbidden(port: int, path: str, message: str) -> None:
    status, document, _response = await call(port, "GET", path)

    assert (status, document) == (403, {"message": message})


async def test_ten_megabytes_are_the_limit(port: int) -> None:
    fits, document, _response = await call(port, "POST", "/api/open/x", data=io.BytesIO(b"x" * LARGEST_REQUEST_BYTES))
    too_long, refusal, _response = await call(
        port, "POST", "/api/open/x", data=io.BytesIO(b"x" * (LARGEST_REQUEST_BYTES + 1))
    )

    assert (fits, document["length"]) == (200, LARGEST_REQUEST_BYTES)
    assert (too_long, refusal) == (413, {"message": "Request Too Long"})


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "unheard-of"])
async def test_a_compressed_body_is_passed_on_as_it_is(port: int, encoding: str) -> None:
    status, document, _response = await call(
        port, "POST", "/api/open/x", data=b"12345", headers={"Content-Encoding": encoding}
    )

    assert (status, document["length"]) == (200, 5)


@pytest.mark.parametrize(
    "wire",
    [
        b"BAD~METHOD;(\xff /api/open/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/open/x HTTP/9\r\nHost: localhost\r\n\r\n",
        b"GET /api/open/x HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /api/open/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/open/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n\r\n",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_an_error_in_json(port: int, wire: bytes) -> None:
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(wire)

    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()

    assert head.split()[1] == b"400"
    assert json.loads(body) == {"message": "Bad Request"}


async def test_a_client_that_waits_for_leave_to_send_gets_it(port: int) -> None:
    status, document, _response = await call(port, "POST", "/api/open/x", data=b"123", expect100=True)

    assert (status, document["length"]) == (200, 3)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("secret", "status"), [("local", b"200"), ("wrong", b"403")])
async def test_curl_signs_its_way_in(tmp_path: Path, secret: str, status: bytes) -> None:
    tls, trusted = self_signed(tmp_path)

    async with listening(tls) as port:
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--cacert", str(trusted), "--output", str(tmp_path / "answer")),
            *("--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", f"local:{secret}"),
            *("--json", '{"pixels": [1]}', "--write-out", "%{http_code}"),
            f"https://localhost:{port}/api/signed/predict",
            stdout=asyncio.subprocess.PIPE,
        )
        out, _errors = await curl.communicate()

    assert out == status
