"""Who sent a request: the access key, its session token, its expiry and its signature.

Keys that this cloud has issued are checked to the last digit. Any other long-term key (`local`, the dummy of a test's
environment) is the administrator's, and nothing about it can be checked.
"""

from __future__ import annotations

from typing import Final

from moto.iam.utils import generate_access_key_id_from_account_id

from local.api_calls import ApiRequest
from local.services.iam.callers import Callers, Identity
from local.services.iam.denials import Problem
from local.services.iam.moto_identities import MotoIdentities
from local.services.iam.sessions import KEY_PREFIX, Clock, RoleSessions, Session
from local.services.sigv4 import (
    UNSIGNED_PAYLOAD,
    Claim,
    Refusal,
    SignedRequest,
    check_signature,
    read_claim,
    sha256_hex,
    time_refusal,
)

LONG_TERM_PREFIX: Final = "AKIA"
ISSUED_LENGTH: Final = len(LONG_TERM_PREFIX) + 8
"""So much of a long-term key is the same for every key of an account."""


class Authentication:
    """Tells callers by their signatures."""

    def __init__(
        self, *, account: str, callers: Callers, identities: MotoIdentities, sessions: RoleSessions, clock: Clock
    ) -> None:
        self._callers, self._identities, self._sessions = callers, identities, sessions
        self._clock = clock
        self._issued = generate_access_key_id_from_account_id(account, LONG_TERM_PREFIX)[:ISSUED_LENGTH]

    def identify(self, request: ApiRequest, *, access_key: str, service: str) -> Identity | Problem:
        """The caller, or what is wrong with the request's credentials."""
        problem = self.problem(request, access_key=access_key, service=service)
        return problem or self._callers.of_access_key(access_key)

    def problem(self, request: ApiRequest, *, access_key: str, service: str) -> Problem | None:
        """What is wrong with the credentials; None where nothing is, or where nothing can be checked."""
        session = self._sessions.find(access_key)
        if session is not None:
            return self._problem_of_session(request, session, service)
        owner = self._identities.secret_of(access_key)
        if owner is not None:
            return self._problem_of_signature(request, owner[1], service)
        return "unknown key" if self.is_issued(access_key) else None

    def is_issued(self, access_key: str) -> bool:
        """Whether the key looks like one that this cloud issues: temporary, or a user's of this account."""
        return access_key.startswith((KEY_PREFIX, self._issued))

    def secret_of(self, access_key: str) -> str | None:
        """The secret of a key that has been issued and has not expired."""
        session = self._sessions.find(access_key)
        if session is not None:
            return None if self._sessions.has_expired(session) else session.secret_key
        owner = self._identities.secret_of(access_key)
        return None if owner is None else owner[1]

    def _problem_of_session(self, request: ApiRequest, session: Session, service: str) -> Problem | None:
        token = request.headers.get("x-amz-security-token") or _first(request, "X-Amz-Security-Token")
        if token != session.token:
            return "wrong token"
        if self._sessions.has_expired(session):
            return "expired"
        return self._problem_of_signature(request, session.secret_key, service)

    def _problem_of_signature(self, request: ApiRequest, secret: str, service: str) -> Problem | None:
        signed = signed_request(request, is_s3=service == "s3")
        claim = read_claim(signed)
        if not isinstance(claim, Claim):
            return "incomplete"
        if time_refusal(claim, self._clock.now()) is not None or isinstance(
            check_signature(signed, claim, secret), Refusal
        ):
            return "wrong signature"
        return "changed body" if signed.is_s3 and _body_was_changed(signed) else None


def signed_request(request: ApiRequest, *, is_s3: bool) -> SignedRequest:
    """The parts that a signature covers."""
    path, _, query = request.target.partition("?")
    return SignedRequest(request.method, path, query, tuple(request.headers.items()), request.body, is_s3)


def _body_was_changed(signed: SignedRequest) -> bool:
    said = next((value for name, value in signed.headers if name == "x-amz-content-sha256"), UNSIGNED_PAYLOAD)
    is_hash = not said.startswith(("UNSIGNED", "STREAMING"))
    return is_hash and said != sha256_hex(signed.body)


def _first(request: ApiRequest, name: str) -> str | None:
    return next(iter(request.query.get(name, ())), None)
