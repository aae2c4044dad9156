"""The guard of the cloud port: who signed a call, and whether they may make it. It decides; moto no longer does."""

from __future__ import annotations

from dataclasses import dataclass

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal
from local.services.iam.actions import UNSIGNED, NoAction
from local.services.iam.authentication import Authentication
from local.services.iam.authority import Authority, UnsupportedPolicy
from local.services.iam.callers import Identity
from local.services.iam.denials import denied, unauthenticated
from local.services.iam.implied import State
from local.services.iam.questions import NoRule, questions_of
from local.services.iam.resources import Place
from local.services.iam.written_policies import NOT_IMPLEMENTED, refuse_policies


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGuard:
    """A `Guard` for `Answers`."""

    authentication: Authentication
    authority: Authority
    place: Place
    state: State

    def __call__(self, call: ApiCall, *, access_key: str | None, request: ApiRequest) -> ApiRefusal | None:
        if access_key is None:
            return None if str(call) in UNSIGNED else unauthenticated(call, "unsigned")
        found = self.authentication.identify(request, access_key=access_key, service=call.service)
        if not isinstance(found, Identity):
            return unauthenticated(call, found)
        try:
            questions = questions_of(call, request, place=self.place, state=self.state)
            denial = self.authority.first_denial(found.caller, questions)
        except (UnsupportedPolicy, NoRule, NoAction) as error:
            return ApiRefusal(NOT_IMPLEMENTED, str(error), 501)
        if denial is not None:
            return denied(call, denial.message)
        return refuse_policies(call, request)
