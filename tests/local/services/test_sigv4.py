"""Signature Version 4: what botocore and curl sign is accepted, what anybody changes afterwards is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given
from hypothesis import strategies as st

from local.services.sigv4 import Refusal, Scope, SignedRequest, Verified, verify

SCOPE = Scope("us-east-1", "execute-api")
SECRETS = {"local": "local", "other": "other-secret"}
HOST = "localhost:8443"

plain_text = st.text(st.characters(codec="utf-8"), max_size=20)
header_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
segments = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=4)
queries = st.lists(st.tuples(plain_text.filter(bool), plain_text), max_size=4, unique_by=lambda pair: pair[0])


def signed(
    method: str = "POST",
    path: str = "/api/models",
    *,
    query: str = "",
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
    presigned: bool = False,
) -> SignedRequest:
    """A request as botocore signs it for the local user."""
    url = f"https://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=body, headers={"Host": HOST, **(headers or {})})
    credentials = Credentials("local", "local")
    signer: Any = SigV4QueryAuth if presigned else SigV4Auth
    signer(credentials, "execute-api", "us-east-1").add_auth(request)
    parts = urlsplit(request.url)
    return SignedRequest(method, parts.path, parts.query, tuple(request.headers.items()), request.body or b"")


def check(request: SignedRequest, *, later: timedelta = timedelta(0), scope: Scope = SCOPE) -> Verified | Refusal:
    return verify(request, secret_of=SECRETS.get, scope=scope, now=datetime.now(UTC) + later)


def without(request: SignedRequest, name: str) -> SignedRequest:
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0].lower() != name))


def with_header(request: SignedRequest, name: str, value: str) -> SignedRequest:
    cleared = without(request, name.lower())
    return replace(cleared, headers=(*cleared.headers, (name, value)))


def code_of(verdict: Verified | Refusal) -> str:
    return verdict.code if isinstance(verdict, Refusal) else "verified"


@given(parts=segments, pairs=queries, body=st.binary(max_size=200), value=header_text, presigned=st.booleans())
def test_whatever_botocore_signs_is_accepted(
    parts: list[str], pairs: list[tuple[str, str]], body: bytes, value: str, *, presigned: bool
) -> None:
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    query = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)
    body = b"" if presigned else body  # botocore would move a body into the presigned query

    request = signed(path=path, query=query, body=body, headers={"X-Extra": value}, presigned=presigned)

    assert check(request) == Verified("local")


@given(body=st.binary(max_size=50), other=st.binary(max_size=50))
def test_a_changed_body_is_refused(body: bytes, other: bytes) -> None:
    assume(body != other)
    request = signed(body=body)

    verdict = check(replace(request, body=other))

    assert code_of(verdict) == "InvalidSignatureException"


@given(position=st.integers(min_value=1, max_value=64), digit=st.sampled_from("0123456789abcdef"))
def test_every_digit_of_the_signature_counts(position: int, digit: str) -> None:
    request = signed()
    value = dict(request.headers)["Authorization"]
    assume(value[-position] != digit)

    forged = value[: len(value) - position] + digit + value[len(value) - position + 1 :]

    assert code_of(check(with_header(request, "Authorization", forged))) == "InvalidSignatureException"


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"path": "/api/other"},
        {"query": "a=2"},
        {"headers": (("Host", "elsewhere"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_part_is_refused(change: dict[str, Any], *, presigned: bool) -> None:
    request = signed(query="a=1", body=b"", presigned=presigned)
    if "query" in change:
        change = {"query": request.query.replace("a=1", "a=2", 1) if presigned else "a=2"}
    if "headers" in change:
        change = {"headers": with_header(request, "Host", "elsewhere").headers}

    verdict = check(replace(request, **change))

    assert code_of(verdict) == "InvalidSignatureException"


def test_a_signature_mismatch_shows_what_should_have_been_signed() -> None:
    verdict = check(replace(signed(), body=b"other"))

    assert isinstance(verdict, Refusal)
    assert verdict.message.startswith("The request signature we calculated does not match the signature you provided.")
    assert "The Canonical String for this request should have been\n'POST\n/api/models\n\nhost:" in verdict.message


def test_an_unsigned_request_has_no_token() -> None:
    verdict = check(without(signed(), "authorization"))

    assert verdict == Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")


def test_an_unknown_access_key_is_named_as_on_aws() -> None:
    request = signed()
    value = dict(request.headers)["Authorization"].replace("Credential=local/", "Credential=stranger/")

    verdict = check(with_header(request, "Authorization", value))

    assert verdict == Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")


@pytest.mark.parametrize(
    ("later", "found"),
    [
        (timedelta(minutes=4, seconds=50), "verified"),
        (timedelta(minutes=5, seconds=10), "Signature expired: "),
        (timedelta(minutes=-4, seconds=-50), "verified"),
        (timedelta(minutes=-5, seconds=-10), "Signature not yet current: "),
    ],
)
def test_clocks_may_differ_by_five_minutes(later: timedelta, found: str) -> None:
    verdict = check(signed(), later=later)

    assert ("verified" if isinstance(verdict, Verified) else verdict.message).startswith(found)


def test_a_presigned_request_is_good_until_it_expires() -> None:
    request = signed("GET", body=b"", presigned=True)

    verdicts = [code_of(check(request, later=timedelta(seconds=seconds))) for seconds in (3590, 3610)]

    assert verdicts == ["verified", "InvalidSignatureException"]


@pytest.mark.parametrize(
    ("scope", "complaint"),
    [
        (Scope("eu-west-1", "execute-api"), "Credential should be scoped to a valid region, not 'us-east-1'. "),
        (Scope("us-east-1", "s3"), "Credential should be scoped to correct service: 's3'. "),
    ],
)
def test_a_signature_for_elsewhere_is_refused(scope: Scope, complaint: str) -> None:
    verdict = check(signed(), scope=scope)

    assert verdict == Refusal("InvalidSignatureException", complaint)


@pytest.mark.parametrize(
    ("authorization", "complaint"),
    [
        ("Bearer token", "Invalid key=value pair (missing equal-sign) in Authorization header"),
        ("AWS4-HMAC-SHA256 Credential=local/1/us-east-1/execute-api/aws4_request", "requires 'Signature' parameter."),
        ("AWS4-HMAC-SHA256 Credential=local, SignedHeaders=host, Signature=0", "exactly 5 slash-delimited elements"),
    ],
)
def test_a_torn_authorization_header_is_incomplete(authorization: str, complaint: str) -> None:
    verdict = check(with_header(signed(), "Authorization", authorization))

    assert isinstance(verdict, Refusal)
    assert verdict.code == "IncompleteSignatureException"
    assert complaint in verdict.message


@given(st.text(st.characters(codec="latin-1")), st.text(st.characters(codec="ascii")))
def test_no_header_or_query_breaks_the_verifier(authorization: str, query: str) -> None:
    request = SignedRequest("GET", "/", query, (("Authorization", authorization), ("Host", HOST)), b"")

    assert isinstance(check(request), Refusal)


@given(st.dictionaries(st.sampled_from(["Algorithm", "Credential", "Date", "Expires", "Signature"]), plain_text))
def test_no_presigned_query_breaks_the_verifier(parts: dict[str, str]) -> None:
    fields = {"SignedHeaders": "host", "Algorithm": "AWS4-HMAC-SHA256", "Signature": "0", **parts}
    query = "&".join(f"X-Amz-{name}={quote(value, safe='')}" for name, value in fields.items())

    verdict = check(SignedRequest("GET", "/", query, (("Host", HOST),), b""))

    assert isinstance(verdict, Refusal)


class Recorder(HTTPServer):
    """Keeps what a client sent, byte for byte."""

    received: SignedRequest

    def __init__(self) -> None:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path, _, query = self.path.partition("?")
                headers = tuple(self.headers.items())
                recorder.received = SignedRequest(self.command, path, query, headers, body)
                self.send_response(204)
                self.end_headers()

            do_GET = do_POST = answer  # noqa: N815  # the names that http.server looks for

            def log_message(self, *arguments: Any) -> None:
                """Tests are quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/api/models", []),
        ("/api/", []),
        ("/api/models?a=1&b=2%20c", []),
        ("/api/models/digits/predict", ["--json", json.dumps({"pixels": [0, 1]})]),
        ("/api/x", ["-H", "X-Custom: some value", "--data-binary", "bytes"]),
    ],
)
def test_what_curl_signs_is_accepted(path: str, options: list[str]) -> None:
    with Recorder() as recorder:
        once = threading.Thread(target=recorder.handle_request)
        once.start()
        sign = ["--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", "local:local"]

        address = f"http://127.0.0.1:{recorder.server_port}{path}"
        subprocess.run(["curl", "--silent", "--fail", *sign, *options, address], check=True, timeout=20)  # noqa: S607
        once.join()

        assert check(recorder.received) == Verified("local")
