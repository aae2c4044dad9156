"""AWS STS: sessions of roles and users, and who a caller is. Whether a role may be assumed the guard has decided.

Not here: sessions by SAML and web identity, and federation tokens.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from local.api_calls import ApiCall, ApiRequest, signature_scope
from local.api_errors import ApiRefusal, ApiResponse
from local.services.cloudformation.query import read_form, service_model, write_result
from local.services.iam.callers import Callers
from local.services.iam.moto_identities import MotoIdentities
from local.services.iam.sessions import RoleSessions, Session

SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
SHORTEST_SECONDS: Final = 900
DEFAULT_SECONDS: Final = 3600
CHAINED_SECONDS: Final = 3600
"""A session that another role's session has started lasts no longer."""
LONGEST_USER_SECONDS: Final = 129_600
DEFAULT_USER_SECONDS: Final = 43_200

Operation = Callable[[Mapping[str, Any], str], Mapping[str, Any] | ApiRefusal]
"""From a call's arguments and its access key to its result."""


class StsApi:
    """Handlers for the cloud port."""

    def __init__(self, *, account: str, sessions: RoleSessions, callers: Callers, identities: MotoIdentities) -> None:
        self._account, self._sessions, self._callers, self._identities = account, sessions, callers, identities

    def handlers(self) -> dict[ApiCall, Callable[[ApiCall, ApiRequest], Awaitable[ApiResponse | ApiRefusal]]]:
        """Each operation with its handler."""
        return {ApiCall("sts", name): self._answer for name in self._operations()}

    async def _answer(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        operation = service_model("sts").operation_model(call.operation)
        scope = signature_scope(request)
        result = self._operations()[call.operation](read_form(request, operation), scope.access_key if scope else "")
        if isinstance(result, ApiRefusal):
            return result
        return write_result(operation, result, request_id=str(uuid.uuid4()))

    def _operations(self) -> Mapping[str, Operation]:
        return {
            "AssumeRole": self._assume_role,
            "GetAccessKeyInfo": lambda _arguments, _key: {"Account": self._account},
            "GetCallerIdentity": self._caller_identity,
            "GetSessionToken": self._session_token,
        }

    def _assume_role(self, arguments: Mapping[str, Any], access_key: str) -> Mapping[str, Any] | ApiRefusal:
        role_arn, name = arguments.get("RoleArn"), arguments.get("RoleSessionName")
        role = self._identities.role(str(role_arn))
        if role is None:
            return _invalid(f"Invalid RoleArn: found {role_arn!r}")
        if name is None or not SESSION_NAME.fullmatch(name):
            return _invalid(f"Value '{name}' at 'roleSessionName' must match {SESSION_NAME.pattern}")
        if refused := [member for member in ("SerialNumber", "TokenCode", "ProvidedContexts") if member in arguments]:
            return ApiRefusal("NotImplementedByLocalCloud", f"the local cloud has no {', '.join(refused)}", 501)
        seconds = int(arguments.get("DurationSeconds") or DEFAULT_SECONDS)
        chained = (caller := self._sessions.find(access_key)) is not None and caller.role_arn is not None
        longest = CHAINED_SECONDS if chained else int(role.max_session_duration or DEFAULT_SECONDS)
        if not SHORTEST_SECONDS <= seconds <= longest:
            return _invalid(_duration_sentence(seconds, chained=chained))
        session = self._sessions.start(
            name=name,
            lasts=timedelta(seconds=seconds),
            role_arn=role.arn,
            policy=arguments.get("Policy"),
            policy_arns=[each["arn"] for each in arguments.get("PolicyArns") or ()],
            tags={tag["Key"]: tag["Value"] for tag in arguments.get("Tags") or ()},
        )
        identity = self._callers.of_access_key(session.access_key)
        return {
            "Credentials": _shown(session),
            "AssumedRoleUser": {"AssumedRoleId": identity.user_id, "Arn": identity.caller.arn},
        }

    def _caller_identity(self, _arguments: Mapping[str, Any], access_key: str) -> Mapping[str, Any]:
        identity = self._callers.of_access_key(access_key)
        return {"UserId": identity.user_id, "Account": identity.account, "Arn": identity.caller.arn}

    def _session_token(self, arguments: Mapping[str, Any], access_key: str) -> Mapping[str, Any] | ApiRefusal:
        """A user's session with that user's permissions; a role's session cannot call it."""
        seconds = int(arguments.get("DurationSeconds") or DEFAULT_USER_SECONDS)
        if self._sessions.find(access_key) is not None:
            return ApiRefusal("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
        if not SHORTEST_SECONDS <= seconds <= LONGEST_USER_SECONDS:
            return _invalid(_duration_sentence(seconds, chained=False))
        owner = self._identities.secret_of(access_key)
        session = self._sessions.start(
            name=owner[0] if owner else "local", lasts=timedelta(seconds=seconds), is_user=owner is not None
        )
        return {"Credentials": _shown(session)}


def _shown(session: Session) -> dict[str, str | datetime]:
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": session.expires_at,
    }


def _duration_sentence(seconds: int, *, chained: bool) -> str:
    if chained and seconds > CHAINED_SECONDS:
        return "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    return (
        f"The requested DurationSeconds {seconds} is outside of what is allowed: from {SHORTEST_SECONDS} to the maximum"
    )


def _invalid(sentence: str) -> ApiRefusal:
    return ApiRefusal("ValidationError", sentence, 400)
