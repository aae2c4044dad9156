"""The one place where an error becomes what the caller is told: a problem document (RFC 9457).

A caller's error is told in full. Of the model's side and of the kit's own faults the caller learns the class and what
to do; the details stay in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from functions.shared.proxy import ProxyAnswer, answer
from model_packages.errors import (
    CallerError,
    ContractViolation,
    FieldProblem,
    MethodNotAllowed,
    ModelError,
    ModelThrottled,
    ModelTimedOut,
    ModelUnavailable,
    PredictionFailed,
    RefusedFields,
    StoreUnavailable,
    UnknownModel,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"
INFERENCE_ID_HEADER = "x-inference-id"
TYPE_PREFIX = "urn:flyball:problem:"
INTERNAL_ERROR = "internal-error"

_MODEL_DETAILS: Mapping[type[ModelError], str] = {
    ModelUnavailable: "The model has no server ready to answer. Try again in a moment.",
    ModelThrottled: "The model is at its limit. Try again in a moment, with fewer requests at once.",
    ModelTimedOut: "The model did not answer in time. A smaller request may help.",
    PredictionFailed: "The model failed on this request. Its operators see why in the log, by the inference id.",
    ContractViolation: "The model's answer does not match its schema. Its operators see it by the inference id.",
}


def code_of(error: Exception) -> str:
    """The stable word for an error's class: the end of the problem's `type`, and the reason in metrics and logs."""
    told = isinstance(error, CallerError | ModelError | StoreUnavailable)
    return slug_of(type(error).__name__) if told else INTERNAL_ERROR


def slug_of(class_name: str) -> str:
    """`InvalidRequest` -> `invalid-request`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", class_name).lower()


def status_of(error: Exception) -> int:
    return error.status if isinstance(error, CallerError | ModelError | StoreUnavailable) else 500


def problem_document(*, code: str, status: int, detail: str, instance: str | None = None) -> dict[str, Any]:
    """A problem as JSON values; API Gateway's own error responses are made with it too."""
    document = {
        "type": TYPE_PREFIX + code,
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    return {**document, "instance": instance} if instance else document


def problem_answer(error: Exception, *, inference_id: str) -> ProxyAnswer:
    """The answer to a request that ended with `error`."""
    document = problem_document(
        code=code_of(error),
        status=status_of(error),
        detail=_detail(error),
        instance=f"urn:uuid:{inference_id}",
    )
    return answer(
        status_of(error),
        json.dumps({**document, **_extensions(error)}),
        media_type=PROBLEM_MEDIA_TYPE,
        headers={INFERENCE_ID_HEADER: inference_id, **_headers(error)},
    )


def _detail(error: Exception) -> str:
    if isinstance(error, CallerError):
        return str(error)
    if isinstance(error, ModelError):
        return _MODEL_DETAILS.get(type(error), "The model did not answer as it must.")
    if isinstance(error, StoreUnavailable):
        return "What was sent could not be stored. Send the same again in a moment: it counts once."
    return "The gateway failed. Its operators see why in the log, by the inference id."


def _extensions(error: Exception) -> dict[str, Any]:
    if isinstance(error, UnknownModel):
        return {"models": list(error.known)}
    if not isinstance(error, RefusedFields):
        return {}
    omitted = {"omitted_errors": error.omitted} if error.omitted else {}
    return {"errors": _field_problems(error.problems), **omitted}


def _field_problems(problems: Sequence[FieldProblem]) -> list[dict[str, str]]:
    return [
        {"pointer": problem.pointer, "code": problem.code, "found": problem.found, "allowed": problem.allowed}
        for problem in problems
    ]


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, ModelError | StoreUnavailable) and error.retry_after_seconds is not None:
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}
