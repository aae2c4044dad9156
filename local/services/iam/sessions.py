"""Temporary credentials: who has been given which, until when. They outlive a restart where their documents do.

A process of the platform (a function, a model server, a training job) gets a session of its role; so does whoever calls
AssumeRole. The session token is random: it has no meaning but that it belongs to the access key.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from local.documents import Documents, Record
from local.services.lambda_environment import Credentials

ALPHABET: Final = string.ascii_uppercase + "234567"
KEY_PREFIX: Final = "ASIA"
KEY_LENGTH: Final = 20
SECRET_BYTES: Final = 30
TOKEN_BYTES: Final = 192
PROCESS_HOURS: Final = 12
"""How long the credentials of a function last; Lambda never keeps an environment as long."""


class Clock(Protocol):
    """The time that sessions expire by."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session and its credentials. Without a role it is a user's own, `name` being the user's."""

    access_key: str
    secret_key: str
    token: str
    expires_at: datetime
    name: str
    role_arn: str | None = None
    is_user: bool = False
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def credentials(self) -> Credentials:
        """As a process gets them."""
        return Credentials(self.access_key, self.secret_key, self.token)


class RoleSessions:
    """Issues sessions and finds them again. Calls may come from any thread."""

    def __init__(self, *, documents: Documents, clock: Clock) -> None:
        self._documents, self._clock = documents, clock
        self._sessions = {key: _session(key, record) for key, record in documents.items()}

    def credentials(self, role_arn: str, session_name: str) -> Credentials:
        """New credentials of a role for a process of the platform; whether it may have them is not asked here."""
        return self.start(role_arn=role_arn, name=session_name, lasts=timedelta(hours=PROCESS_HOURS)).credentials

    def start(  # noqa: PLR0913  # one argument for each thing that a session may have
        self,
        *,
        name: str,
        lasts: timedelta,
        role_arn: str | None = None,
        is_user: bool = False,
        policy: str | None = None,
        policy_arns: Iterable[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> Session:
        """A new session, kept until it has expired."""
        self._forget_expired()
        session = Session(
            access_key=KEY_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH - len(KEY_PREFIX))),
            secret_key=secrets.token_urlsafe(SECRET_BYTES),
            token=secrets.token_urlsafe(TOKEN_BYTES),
            expires_at=self._clock.now() + lasts,
            name=name,
            role_arn=role_arn,
            is_user=is_user,
            policy=policy,
            policy_arns=tuple(policy_arns),
            tags=dict(tags or {}),
        )
        self._documents.put(session.access_key, _record(session))
        self._sessions[session.access_key] = session
        return session

    def find(self, access_key: str) -> Session | None:
        """The session of an access key, expired or not."""
        return self._sessions.get(access_key)

    def has_expired(self, session: Session) -> bool:
        """Whether its time is over."""
        return self._clock.now() >= session.expires_at

    def _forget_expired(self) -> None:
        """Those that have been over for a day: until then a caller is told that they have expired."""
        limit = self._clock.now() - timedelta(days=1)
        for key, session in list(self._sessions.items()):
            if session.expires_at < limit:
                self._sessions.pop(key, None)
                self._documents.delete(key)


def _record(session: Session) -> Record:
    return {
        "secret_key": session.secret_key,
        "token": session.token,
        "expires_at": session.expires_at.isoformat(),
        "name": session.name,
        "role_arn": session.role_arn,
        "is_user": session.is_user,
        "policy": session.policy,
        "policy_arns": list(session.policy_arns),
        "tags": dict(session.tags),
    }


def _session(access_key: str, record: Mapping[str, Any]) -> Session:
    return Session(
        access_key=access_key,
        secret_key=record["secret_key"],
        token=record["token"],
        expires_at=datetime.fromisoformat(record["expires_at"]),
        name=record["name"],
        role_arn=record["role_arn"],
        is_user=record["is_user"],
        policy=record["policy"],
        policy_arns=tuple(record["policy_arns"]),
        tags=record["tags"],
    )
