"""Access to one account, put together: sessions, callers, the authority, the guard of the cloud port, and STS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from local.clock import Clock
from local.documents import Documents
from local.services.apigateway.gateway import ACCESS_DENIED, Call, LogSink
from local.services.apigateway.request import Principal
from local.services.iam.authentication import Authentication
from local.services.iam.authority import Authority
from local.services.iam.callers import Callers
from local.services.iam.denials import INVALID_TOKEN
from local.services.iam.evaluation import Question
from local.services.iam.guard import RoleGuard
from local.services.iam.moto_identities import MotoIdentities
from local.services.iam.moto_resources import MotoResources
from local.services.iam.resources import Place
from local.services.iam.sessions import RoleSessions
from local.services.iam.triggers import TriggerRefused, sender_of
from local.services.lambda_environment import Credentials
from local.services.sigv4 import UNKNOWN_KEY, Refusal
from local.services.sts import StsApi


@dataclass(frozen=True, slots=True)
class Access:
    """What the rest of the cloud needs of it."""

    sessions: RoleSessions
    callers: Callers
    authentication: Authentication
    authority: Authority
    guard: RoleGuard
    sts: StsApi
    resources: MotoResources
    administrator: Credentials
    """The one long-term key whose secret is known to all."""

    def secret_of(self, access_key: str) -> str | None:
        """The secret of the administrator, a user or a live session; for a door that knows no strangers."""
        if access_key == self.administrator.access_key:
            return self.administrator.secret_key
        return self.authentication.secret_of(access_key)

    def admit(self, call: Call) -> Principal | Refusal:
        """Whether a caller of the REST API, whose signature is good, may call the method."""
        session = self.sessions.find(call.access_key)
        if session is not None and session.token != call.session_token:
            return Refusal(UNKNOWN_KEY, INVALID_TOKEN)
        identity = self.callers.of_access_key(call.access_key)
        denial = self.authority.first_denial(identity.caller, [Question("execute-api:Invoke", call.arn)])
        if denial is not None:
            masked = call.arn.replace(identity.account, f"********{identity.account[-4:]}")
            return Refusal(ACCESS_DENIED, denial.message.replace(call.arn, masked))
        return Principal(identity.caller.arn, identity.user_id)

    def check_trigger(self, function_arn: str, event: bytes) -> None:
        """Whether the service that sends an event may.

        Raises: TriggerRefused.
        """
        sender = sender_of(event)
        if sender is not None and not self.authority.may_call(
            sender.service, "lambda:InvokeFunction", function_arn, source_arn=sender.source_arn
        ):
            raise TriggerRefused(sender, function_arn)

    def gateway_log(self, write: LogSink) -> LogSink:
        """Where API Gateway's lines go: nowhere, unless the account's logging role trusts it and may write them."""

        def log(group: str, stream: str, lines: Sequence[str]) -> None:
            role = self.resources.logging_role()
            if (
                role
                and self.authority.may_be_assumed(role, "apigateway.amazonaws.com")
                and self.authority.may_log(role, group)
            ):
                write(group, stream, lines)

        return log

    def variables(self, role_arn: str | None, session_name: str) -> Mapping[str, str]:
        """Credentials of a role as the environment of a container; none without a role."""
        if role_arn is None:
            return {}
        credentials = self.sessions.credentials(role_arn, session_name)
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.session_token or "",
        }


def account_access(
    *,
    account: str,
    region: str,
    clock: Clock,
    documents: Callable[[str], Documents],
    administrator: Credentials,
    machine_clock: Clock | None = None,
) -> Access:
    """Access to an account whose roles, users and resources moto keeps; `documents` gives a collection by name.

    Credentials expire and signatures are checked by `machine_clock`, as clients have it, and policies are judged at
    the time of `clock`, the cloud's; the two are one where there is no other.
    """
    issued = machine_clock or clock
    identities = MotoIdentities(account=account)
    resources = MotoResources(account=account, region=region)
    place = Place(account, region, resources)
    sessions = RoleSessions(documents=documents("sessions"), clock=issued)
    callers = Callers(account=account, identities=identities, sessions=sessions)
    authentication = Authentication(
        account=account, callers=callers, identities=identities, sessions=sessions, clock=issued
    )
    authority = Authority(
        place=place,
        identities=identities,
        callers=callers,
        resources=resources,
        clock=clock,
    )
    guard = RoleGuard(authentication=authentication, authority=authority, place=place, state=resources)
    sts = StsApi(account=account, sessions=sessions, callers=callers, identities=identities)
    return Access(sessions, callers, authentication, authority, guard, sts, resources, administrator)
