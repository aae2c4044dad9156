"""How AWS says no: the sentence, and the error that each service and protocol makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from local.api_calls import ApiCall
from local.api_errors import ApiRefusal
from local.services.iam.evaluation import Caller, Decision, Question, Verdict
from local.services.iam.policies import PolicyKind

Problem = Literal["unknown key", "wrong token", "expired", "wrong signature", "incomplete", "changed body", "unsigned"]
"""What can be wrong with a request's credentials."""

POLICY_NAMES: Final[Mapping[PolicyKind, str]] = {
    PolicyKind.IDENTITY: "an identity-based policy",
    PolicyKind.RESOURCE: "a resource-based policy",
    PolicyKind.TRUST: "a resource-based policy",
    PolicyKind.SESSION: "a session policy",
    PolicyKind.BOUNDARY: "a permissions boundary",
}

QUERY_CODES: Final[Mapping[str, str]] = {"sns": "AuthorizationError", "ec2": "UnauthorizedOperation"}
"""Of those services that do not say AccessDenied in the query protocol."""


def sentence(caller: Caller, question: Question, decision: Decision) -> str:
    """Why a question was answered with no, in AWS's words."""
    said = f"User: {caller.arn} is not authorized to perform: {question.action}"
    about = "" if question.resource == "*" else f" on resource: {question.resource}"
    kind = POLICY_NAMES[decision.kind]
    if decision.verdict is Verdict.EXPLICIT_DENY:
        return f"{said}{about} with an explicit deny in {kind}"
    if question.action == "sts:AssumeRole":
        return f"{said}{about}"
    # AWS names `*` where an implicit deny leaves no resource to name.
    about = about or " on resource: *"
    return f"{said}{about} because no {kind.partition(' ')[2]} allows the {question.action} action"


def denied(call: ApiCall, message: str) -> ApiRefusal:
    """The refusal of a call whose caller may not make it."""
    match call.protocol:
        case "query" | "ec2":
            return ApiRefusal(QUERY_CODES.get(call.service, "AccessDenied"), message, 403)
        case "rest-xml":
            return ApiRefusal("AccessDenied", message, 403)
        case "rest-json":
            return ApiRefusal("AccessDeniedException", message, 403)
        case "json" | "smithy-rpc-v2-cbor":
            return ApiRefusal("AccessDeniedException", message, 400)


@dataclass(frozen=True, slots=True)
class Wording:
    """An error as one family of services words it."""

    code: str
    message: str
    status: int = 403


INVALID_TOKEN: Final = "The security token included in the request is invalid."  # noqa: S105  # AWS's sentence
EXPIRED_TOKEN: Final = "The security token included in the request is expired"  # noqa: S105  # AWS's sentence
MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
INCOMPLETE: Final = "The Authorization header or the query string lacks a part of the signature."

OF_S3: Final[Mapping[Problem, Wording]] = {
    "unknown key": Wording("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    "wrong token": Wording("InvalidToken", "The provided token is malformed or otherwise invalid.", 400),
    "expired": Wording("ExpiredToken", "The provided token has expired.", 400),
    "wrong signature": Wording(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    ),
    "incomplete": Wording("AuthorizationHeaderMalformed", INCOMPLETE, 400),
    "changed body": Wording(
        "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", 400
    ),
    "unsigned": Wording("AccessDenied", "Access Denied"),
}
OF_QUERY: Final[Mapping[Problem, Wording]] = {
    "unknown key": Wording("InvalidClientTokenId", INVALID_TOKEN),
    "wrong token": Wording("InvalidClientTokenId", INVALID_TOKEN),
    "expired": Wording("ExpiredToken", EXPIRED_TOKEN),
    "wrong signature": Wording("SignatureDoesNotMatch", MISMATCH),
    "incomplete": Wording("IncompleteSignature", INCOMPLETE, 400),
    "changed body": Wording("SignatureDoesNotMatch", MISMATCH),
    "unsigned": Wording("MissingAuthenticationToken", "Request is missing Authentication Token"),
}
OF_JSON: Final[Mapping[Problem, Wording]] = {
    "unknown key": Wording("UnrecognizedClientException", INVALID_TOKEN, 400),
    "wrong token": Wording("UnrecognizedClientException", INVALID_TOKEN, 400),
    "expired": Wording("ExpiredTokenException", EXPIRED_TOKEN, 400),
    "wrong signature": Wording("InvalidSignatureException", MISMATCH, 400),
    "incomplete": Wording("IncompleteSignatureException", INCOMPLETE, 400),
    "changed body": Wording("InvalidSignatureException", MISMATCH, 400),
    "unsigned": Wording("MissingAuthenticationTokenException", "Missing Authentication Token", 400),
}


def unauthenticated(call: ApiCall, problem: Problem) -> ApiRefusal:
    """The refusal of a request that does not prove who sent it."""
    if call.protocol == "rest-xml":
        wording = OF_S3[problem]
        return ApiRefusal(wording.code, wording.message, wording.status)
    wording = (OF_QUERY if call.protocol in ("query", "ec2") else OF_JSON)[problem]
    return ApiRefusal(wording.code, wording.message, 403 if call.protocol == "rest-json" else wording.status)
