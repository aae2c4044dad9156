"""Who signs a request: the administrator, a user with an access key, or a role's session; and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.services.iam.evaluation import Caller
from local.services.iam.moto_identities import MotoIdentities
from local.services.iam.moto_resources import PARTITION
from local.services.iam.policies import Policy, PolicyKind, policy_of, read_policy
from local.services.iam.sessions import RoleSessions, Session

ADMINISTRATOR_NAME: Final = "local"
ADMINISTRATOR_ID: Final = "AIDALOCALADMINISTRATR"

ADMINISTRATOR_POLICY: Final = policy_of(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    name="AdministratorAccess",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and how GetCallerIdentity calls it."""

    caller: Caller
    user_id: str
    account: str


NAMES_OWNER: Final = frozenset({"cloudwatch.amazonaws.com"})
"""Services that SNS gives the older key AWS:SourceOwner for, which a topic's default policy asks for."""


class Callers:
    """Turns access keys and role ARNs into callers of one account."""

    def __init__(self, *, account: str, identities: MotoIdentities, sessions: RoleSessions) -> None:
        self._account, self._identities, self._sessions = account, identities, sessions

    def of_access_key(self, access_key: str) -> Identity:
        """Whoever owns the key; a key that nobody has been given is the administrator's."""
        session = self._sessions.find(access_key)
        if session is not None:
            return self._of_session(session)
        owner = self._identities.secret_of(access_key)
        return self._administrator() if owner is None else self._user(owner[0])

    def of_role(self, role_arn: str, *, session_name: str) -> Identity:
        """What the platform does in a role's name; a role that does not exist may do nothing."""
        return self._role(role_arn, session_name=session_name, tags={})

    def of_service(self, principal: str, *, source_arn: str, source_account: str) -> Caller:
        """An AWS service that acts in its own name, for one resource."""
        context = {
            "aws:principalisawsservice": "true",
            "aws:principalservicename": principal,
            "aws:sourcearn": source_arn,
            "aws:sourceaccount": source_account,
            **({"aws:sourceowner": source_account} if principal in NAMES_OWNER else {}),
        }
        return Caller(arns=(principal,), account=self._account, service=principal, context=context)

    def _of_session(self, session: Session) -> Identity:
        if session.role_arn is None:
            identity = self._user(session.name) if session.is_user else self._administrator()
        else:
            identity = self._role(session.role_arn, session_name=session.name, tags=session.tags)
        return _limited(identity, session, self._identities)

    def _administrator(self) -> Identity:
        arn = f"arn:{PARTITION}:iam::{self._account}:user/{ADMINISTRATOR_NAME}"
        context = self._user_context(arn, ADMINISTRATOR_NAME, ADMINISTRATOR_ID)
        caller = Caller(arns=(arn,), account=self._account, identity=(ADMINISTRATOR_POLICY,), context=context)
        return Identity(caller, ADMINISTRATOR_ID, self._account)

    def _user(self, name: str) -> Identity:
        user = self._identities.user(name)
        caller = Caller(
            arns=(user.arn,),
            account=self._account,
            identity=self._identities.policies_of(user),
            boundary=self._identities.boundary_of(user),
            context=self._user_context(user.arn, user.name, user.id),
        )
        return Identity(caller, user.id, self._account)

    def _role(self, role_arn: str, *, session_name: str, tags: Mapping[str, str]) -> Identity:
        role = self._identities.role(role_arn)
        name = role_arn.rpartition("/")[2]
        role_id = role.id if role is not None else "AROADELETED"
        arn = f"arn:{PARTITION}:sts::{self._account}:assumed-role/{name}/{session_name}"
        context = {
            "aws:principalarn": role_arn,
            "aws:principalaccount": self._account,
            "aws:principaltype": "AssumedRole",
            "aws:principalisawsservice": "false",
            "aws:userid": f"{role_id}:{session_name}",
            "aws:multifactorauthpresent": "false",
            **{f"aws:principaltag/{key.lower()}": value for key, value in {**_tags_of(role), **tags}.items()},
        }
        caller = Caller(
            arns=(arn, role_arn),
            account=self._account,
            identity=() if role is None else self._identities.policies_of(role),
            boundary=None if role is None else self._identities.boundary_of(role),
            context=context,
        )
        return Identity(caller, f"{role_id}:{session_name}", self._account)

    def _user_context(self, arn: str, name: str, user_id: str) -> Mapping[str, str]:
        return {
            "aws:principalarn": arn,
            "aws:principalaccount": self._account,
            "aws:principaltype": "User",
            "aws:principalisawsservice": "false",
            "aws:userid": user_id,
            "aws:username": name,
        }


def _tags_of(role: Any) -> dict[str, str]:
    """moto keeps a role's tags by key, or as the list that they came in."""
    tags = role.tags if role is not None else {}
    each = tags.values() if isinstance(tags, Mapping) else tags
    return {tag["Key"]: tag["Value"] for tag in each or ()}


def _limited(identity: Identity, session: Session, identities: MotoIdentities) -> Identity:
    """The identity under the policies that its session was given."""
    policies = session_policies(session, identities)
    if policies is None:
        return identity
    caller = identity.caller
    limited = Caller(
        arns=caller.arns,
        account=caller.account,
        identity=caller.identity,
        boundary=caller.boundary,
        session=policies,
        context=caller.context,
    )
    return Identity(limited, identity.user_id, identity.account)


def session_policies(session: Session, identities: Any) -> tuple[Policy, ...] | None:
    """None where the session was given none; then the role's own policies decide alone."""
    if session.policy is None and not session.policy_arns:
        return None
    documents = [identities.document_of(arn) for arn in session.policy_arns]
    texts = [document for document in (session.policy, *documents) if document is not None]
    return tuple(read_policy(text, name="session policy", kind=PolicyKind.SESSION) for text in texts)
