"""Verifies AWS Signature Version 4, in the header and in the query string, as a service behind API Gateway does.

Pure: the request, the secrets and the time are given. It answers who signed, or why not in AWS's words. It does not
know session tokens: a temporary key is looked up like any other, its token is only covered by the signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
CLOCK_SKEW: Final = timedelta(minutes=5)
LONGEST_EXPIRY_SECONDS: Final = 7 * 24 * 3600
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
MISSING_TOKEN: Final = "MissingAuthenticationTokenException"  # noqa: S105  # AWS's name of an error
UNKNOWN_KEY: Final = "UnrecognizedClientException"
INVALID_SIGNATURE: Final = "InvalidSignatureException"
INCOMPLETE_SIGNATURE: Final = "IncompleteSignatureException"

SecretLookup = Callable[[str], str | None]
"""access key -> secret key, or None where nobody has that access key."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parts of a request that a signature covers; path and query as they came over the wire, still encoded.

    `is_s3` follows S3's own rules: its paths are signed as they are, and its bodies as x-amz-content-sha256 says.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    is_s3: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a signature is good: one region of one service."""

    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The request was signed by the owner of `access_key`, and nobody has changed it since."""

    access_key: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: AWS's error code and AWS's sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Credential:
    """`ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request`, taken apart."""

    access_key: str
    date: str
    region: str
    service: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its own signature, in either form; nothing of it is checked yet."""

    credential: Credential
    signed_headers: tuple[str, ...]
    signature: str
    signed_at: datetime
    good_for: timedelta

    @property
    def timestamp(self) -> str:
        return basic_format(self.signed_at)


def verify(request: SignedRequest, *, secret_of: SecretLookup, scope: Scope, now: datetime) -> Verified | Refusal:
    """Who signed the request, or why it is refused."""
    claim = read_claim(request)
    if isinstance(claim, Refusal):
        return claim
    secret = secret_of(claim.credential.access_key)
    if secret is None:
        return Refusal(UNKNOWN_KEY, "The security token included in the request is invalid.")
    refusal = scope_refusal(claim, scope) or time_refusal(claim, now)
    if refusal is not None:
        return refusal
    return check_signature(request, claim, secret)


def check_signature(request: SignedRequest, claim: Claim, secret: str) -> Verified | Refusal:
    """Compare, in constant time, the signature that came with the one that the secret gives."""
    canonical = canonical_request(request, claim.signed_headers)
    to_sign = "\n".join((ALGORITHM, claim.timestamp, claim.credential.scope, sha256_hex(wire_bytes(canonical))))
    key = signing_key(secret, claim.credential.date, claim.credential.region, claim.credential.service)
    expected = hmac.new(key, wire_bytes(to_sign), hashlib.sha256).hexdigest()
    if hmac.compare_digest(expected.encode(), wire_bytes(claim.signature)):
        return Verified(claim.credential.access_key)
    return Refusal(
        INVALID_SIGNATURE,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this "
        f"request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n",
    )


@lru_cache(maxsize=64)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service, derived from the secret."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, wire_bytes(part), hashlib.sha256).digest()
    return key


def read_claim(request: SignedRequest) -> Claim | Refusal:
    """Find the signature in the `Authorization` header or in the query string."""
    headers = {name.lower(): value for name, value in request.headers}
    query = {unquote(name): unquote(value) for name, value in query_pairs(request.query)}
    if "authorization" in headers:
        return claim_of_header(headers)
    if "X-Amz-Signature" in query or "X-Amz-Algorithm" in query:
        return claim_of_query(query)
    return Refusal(MISSING_TOKEN, "Missing Authentication Token")


BASIC_FORMAT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
AUTHORIZATION_PARAMETER = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


def claim_of_header(headers: dict[str, str]) -> Claim | Refusal:
    """The header form; it is good from five minutes before to five minutes after the time it was signed."""
    authorization = headers["authorization"]
    algorithm, _, rest = authorization.partition(" ")
    digest = base64.b64encode(hashlib.sha256(wire_bytes(authorization)).digest()).decode()
    if algorithm != ALGORITHM or "=" not in rest:
        return Refusal(
            INCOMPLETE_SIGNATURE,
            "Invalid key=value pair (missing equal-sign) in Authorization header "
            f"(hashed with SHA-256 and encoded with Base64): '{digest}'.",
        )
    found = dict(AUTHORIZATION_PARAMETER.findall(rest))
    complaints = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if name not in found
    ]
    signed_at = header_time(headers)
    if signed_at is None:
        complaints.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if complaints or signed_at is None:
        hashed = f"(Hashed with SHA-256 and encoded with Base64) Authorization={digest}"
        return Refusal(INCOMPLETE_SIGNATURE, f"{' '.join(complaints)} {hashed}")
    return claim_of_parts(found, signed_at=signed_at, good_for=CLOCK_SKEW)


def claim_of_query(query: dict[str, str]) -> Claim | Refusal:
    """The presigned form; it is good for `X-Amz-Expires` seconds."""
    names = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = [name for name in names if name not in query]
    if missing:
        complaints = " ".join(f"AWS query-string parameters must include '{name}'." for name in missing)
        return Refusal(INCOMPLETE_SIGNATURE, f"{complaints} Re-examine the query-string parameters.")
    signed_at = parse_basic(query["X-Amz-Date"])
    expiry = query.get("X-Amz-Expires", "")
    if query["X-Amz-Algorithm"] != ALGORITHM or signed_at is None:
        return Refusal(INCOMPLETE_SIGNATURE, "Re-examine the query-string parameters.")
    if not re.fullmatch("[0-9]{1,6}", expiry) or int(expiry) > LONGEST_EXPIRY_SECONDS:
        return Refusal(INCOMPLETE_SIGNATURE, "X-Amz-Expires must be a number of seconds less than a week.")
    found = {name.removeprefix("X-Amz-"): value for name, value in query.items()}
    return claim_of_parts(found, signed_at=signed_at, good_for=timedelta(seconds=int(expiry)))


def claim_of_parts(found: dict[str, str], *, signed_at: datetime, good_for: timedelta) -> Claim | Refusal:
    """What both forms share; `found` has Credential, SignedHeaders and Signature."""
    parts = found["Credential"].rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        return Refusal(
            INCOMPLETE_SIGNATURE,
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{found['Credential']}'",
        )
    access_key, date, region, service, _ = parts
    return Claim(
        credential=Credential(access_key, date, region, service),
        signed_headers=tuple(found["SignedHeaders"].lower().split(";")),
        signature=found["Signature"],
        signed_at=signed_at,
        good_for=good_for,
    )


def scope_refusal(claim: Claim, scope: Scope) -> Refusal | None:
    """A signature for another service, region or day, or one that leaves the host open, is no good here."""
    credential = claim.credential
    problems = []
    if credential.region != scope.region:
        problems.append(f"Credential should be scoped to a valid region, not '{credential.region}'. ")
    if credential.service != scope.service:
        problems.append(f"Credential should be scoped to correct service: '{scope.service}'. ")
    if credential.date != claim.timestamp[:8]:
        problems.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{credential.date}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'."
        )
    if "host" not in claim.signed_headers:
        problems.append("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return Refusal(INVALID_SIGNATURE, "".join(problems)) if problems else None


def time_refusal(claim: Claim, now: datetime) -> Refusal | None:
    """Too old or too far in the future."""
    stamp, present = claim.timestamp, basic_format(now)
    if claim.signed_at > now + CLOCK_SKEW:
        latest = basic_format(now + CLOCK_SKEW)
        message = f"Signature not yet current: {stamp} is still later than {latest} ({present} + 5 min.)"
        return Refusal(INVALID_SIGNATURE, message)
    if claim.signed_at < now - claim.good_for:
        earliest = basic_format(now - claim.good_for)
        age = f"{claim.good_for.total_seconds() / 60:g} min."
        message = f"Signature expired: {stamp} is now earlier than {earliest} ({present} - {age})"
        return Refusal(INVALID_SIGNATURE, message)
    return None


def canonical_request(request: SignedRequest, signed_headers: Sequence[str]) -> str:
    """The text that is hashed and signed."""
    return "\n".join(
        (
            request.method.upper(),
            (request.path or "/") if request.is_s3 else canonical_path(request.path),
            canonical_query(request.query),
            canonical_headers(request.headers, signed_headers),
            ";".join(signed_headers),
            payload_hash(request),
        )
    )


def payload_hash(request: SignedRequest) -> str:
    """The body's hash; S3 signs what the caller says of it, which may be that it is not signed."""
    if not request.is_s3:
        return sha256_hex(request.body)
    said = (value for name, value in request.headers if name.lower() == "x-amz-content-sha256")
    return next(said, UNSIGNED_PAYLOAD)


def canonical_path(path: str) -> str:
    """Dot segments and doubled slashes removed, then encoded once more than on the wire."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    trailing = "/" if kept and path.endswith("/") else ""
    return quote(wire_bytes("/" + "/".join(kept) + trailing), safe="/~")


def canonical_query(query: str) -> str:
    """Name and value pairs, encoded alike and sorted; the signature itself is left out."""
    pairs = sorted((encoded_alike(name), encoded_alike(value)) for name, value in query_pairs(query))
    return "&".join(f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature")


def encoded_alike(text: str) -> str:
    """Percent-encoding in its one canonical form; by bytes, because not every sequence of them is a text."""
    return quote(unquote_to_bytes(wire_bytes(text)), safe="-_.~")


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The pairs of a raw query string, still encoded; `a` counts as `a=`."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return [(name, value) for name, _, value in pairs]


def canonical_headers(headers: Sequence[tuple[str, str]], signed_headers: Sequence[str]) -> str:
    """One line for each signed header; repeated ones joined by commas, runs of spaces collapsed."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    return "".join(f"{name}:{','.join(values.get(name, ()))}\n" for name in signed_headers)


def header_time(headers: dict[str, str]) -> datetime | None:
    """The moment of signing: `X-Amz-Date` counts before `Date`."""
    if "x-amz-date" in headers:
        return parse_basic(headers["x-amz-date"])
    if "date" not in headers:
        return None
    try:
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)
    except (ValueError, OverflowError):
        return parse_basic(headers["date"])


def parse_basic(text: str) -> datetime | None:
    """`20260102T030405Z`, or None where it is something else."""
    match = BASIC_FORMAT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def basic_format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def wire_bytes(text: str) -> bytes:
    """The bytes that a header or a path had on the wire, whether or not they were text."""
    return text.encode("utf-8", "surrogateescape")


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
