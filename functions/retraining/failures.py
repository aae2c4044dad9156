"""What Step Functions hands over as Error and Cause, in one sentence. Pure.

A message may quote a payload, as pydantic's do, or a line of data, as a container's do. So the sentence, which is kept,
has only what Flyball or AWS itself wrote; the rest is for the notification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model_packages import errors
from model_packages.errors import FlyballError

MAXIMUM_SENTENCE_CHARACTERS = 500
MAXIMUM_DETAIL_CHARACTERS = 4000
TIMEOUT = "States.Timeout"

_EXIT_CODE = re.compile(r"exit code:? (\d+)", re.IGNORECASE)
_CLASS = re.compile(r"[A-Za-z]\w*")
_OF_SAGEMAKER = frozenset({"CapacityError", "ClientError", "InternalServerError"})
"""What SageMaker says itself; an AlgorithmError is what the container wrote."""
_OF_AWS = ("SageMaker.", "States.", "Lambda.", "Sandbox.", "Sfn.")
_JOBS = {"Training": "training", "Processing": "evaluation"}


@dataclass(frozen=True, slots=True)
class Failure:
    """`sentence` quotes no data; `detail` may."""

    sentence: str
    detail: str


def explain(error: str, cause: str) -> Failure:
    """Of a step's failure. Both may be empty."""
    detail = cause[:MAXIMUM_DETAIL_CHARACTERS]
    document = _document(cause)
    for kind, name in _JOBS.items():
        if f"{kind}JobName" in document:
            reason = str(document.get("FailureReason") or document.get("ExitMessage") or "")
            return Failure(_of_job(document, kind, name), reason[:MAXIMUM_DETAIL_CHARACTERS])
    if "errorMessage" in document:
        return Failure(_of_function(document), str(document["errorMessage"])[:MAXIMUM_DETAIL_CHARACTERS])
    if error == TIMEOUT:
        return Failure("a step took longer than it may", detail)
    told = f": {cause}" if cause and error.startswith(_OF_AWS) else ""
    return Failure(_cut(f"{error or 'a step failed'}{told}"), detail)


def _of_job(document: Mapping[str, Any], kind: str, name: str) -> str:
    """As SageMaker describes a job that did not complete: the kind of the error, and not what the container wrote."""
    status = document.get(f"{kind}JobStatus", "Failed")
    begun = f"the {name} job {document[f'{kind}JobName']} ended as {status}"
    if document.get("SecondaryStatus") == "MaxRuntimeExceeded":
        return f"{begun}: it took longer than its maximum runtime"
    reason = str(document.get("FailureReason", ""))
    found, code = _CLASS.match(reason), _EXIT_CODE.search(reason)
    if found and found[0] in _OF_SAGEMAKER:
        return _cut(f"{begun}: {reason}")
    words = [found[0]] if found else []
    return f"{begun}: {', '.join([*words, *([f'exit code {code[1]}'] if code else [])])}".removesuffix(": ")


def _of_function(document: Mapping[str, Any]) -> str:
    """A step of the loop's own function."""
    kind, message = str(document.get("errorType", "")), str(document["errorMessage"])
    if kind in _own_names():
        return _cut(message)
    if "timed out" in message.lower():
        return "a step of the loop's function took longer than it may"
    return f"a step of the loop's function failed: {kind or 'for an unknown reason'}"


def _own_names() -> frozenset[str]:
    """Errors whose messages say what to do. A caller's and a model's are not among them: they may quote a request."""
    return frozenset(each.__name__ for each in _kinds(errors.OperatorError))


def _kinds(kind: type[FlyballError]) -> Iterator[type[FlyballError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


def _document(cause: str) -> dict[str, Any]:
    try:
        found = json.loads(cause)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAXIMUM_SENTENCE_CHARACTERS else f"{line[: MAXIMUM_SENTENCE_CHARACTERS - 3]}..."
