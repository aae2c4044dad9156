"""Every error Flyball raises, by whose fault it is.

    FlyballError
      CallerError       the request is wrong: InvalidRequest 422, UnknownModel 404, UnknownPath 404,
                        MethodNotAllowed 405, PayloadTooLarge 413, UnsupportedContent 415,
                        UnknownInference 404, InferenceExpired 410
      ModelError        the model did not answer as it must: ModelUnavailable 503, ModelThrottled 429,
                        ModelTimedOut 504, PredictionFailed 502, ContractViolation 502
      OperatorError     who runs Flyball must act: PackageError, UnsupportedResource, ProcessDied, ...,
                        StoreUnavailable 503

Attributes carry the facts; the message says what was found, what is allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class FlyballError(Exception):
    """The root: catch it where any error of Flyball's own ends, and nowhere else."""


class CallerError(FlyballError):
    """The caller can mend it; `status` is the HTTP status it is told."""

    status: ClassVar[int] = 400


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One bad field of a request.

    `pointer` is the field's JSON pointer (RFC 6901) into the request body, `code` a stable machine-readable word.
    """

    pointer: str
    code: str
    found: str
    allowed: str


class RefusedFields(CallerError):
    """Fields of the body are at fault; `problems` names them, `omitted` counts those that are not named."""

    NAMED: ClassVar[int] = 5
    FAULT: ClassVar[str] = "the request cannot be taken"

    def __init__(self, problems: Sequence[FieldProblem], *, omitted: int = 0) -> None:
        self.problems, self.omitted = tuple(problems), omitted
        fields = [problem.pointer or "its root" for problem in self.problems]
        more = len(fields) + omitted - self.NAMED
        rest = f" and {more} more" if more > 0 else ""
        super().__init__(f"{self.FAULT} at {', '.join(fields[: self.NAMED])}{rest}")


class InvalidRequest(RefusedFields):
    """The body is not what the package's schema says."""

    status = 422
    FAULT = "the request does not match the schema"


class UnknownInference(RefusedFields):
    """A label is for an inference id that this model has never answered with."""

    status = 404
    FAULT = "this model made no prediction with the inference id"


class InferenceExpired(RefusedFields):
    """A label is for a prediction that is too old to take one."""

    status = 410
    FAULT = "the prediction is too old for a label"


class UnknownModel(CallerError):
    """No package of that name is deployed."""

    status = 404

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"there is no model {name!r}; deployed are: {', '.join(known) or 'none'}")


class UnknownPath(CallerError):
    """The model is there, and has nothing under that path."""

    status = 404

    def __init__(self, *, path: str, known: Sequence[str]) -> None:
        self.path, self.known = path, tuple(known)
        super().__init__(f"there is nothing at {path!r}; allowed: {', '.join(known)}")


class MethodNotAllowed(CallerError):
    """The path is there, for other methods."""

    status = 405

    def __init__(self, *, method: str, allowed: Sequence[str]) -> None:
        self.method, self.allowed = method, tuple(allowed)
        super().__init__(f"found the method {method}; allowed: {', '.join(allowed)}")


class UnsupportedContent(CallerError):
    """The body is in no form that a model reads; `header` says which form was found."""

    status = 415

    def __init__(self, *, header: str, found: str, allowed: str) -> None:
        self.header, self.found, self.allowed = header, found, allowed
        super().__init__(f"{header}: found {found or 'nothing'}; allowed: {allowed}")


class PayloadTooLarge(CallerError):
    """The body is larger than the package allows."""

    status = 413

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes
        super().__init__(f"the body has {size_bytes} bytes; this model accepts at most {limit_bytes}")


class ModelError(FlyballError):
    """The model's side failed; the caller did nothing wrong. `retry_after_seconds` is None where a retry is no help."""

    status: ClassVar[int] = 502
    retry_after_seconds: ClassVar[int | None] = None


class ModelUnavailable(ModelError):
    """The endpoint has no server ready to answer."""

    status = 503
    retry_after_seconds = 5


class ModelThrottled(ModelError):
    """The endpoint's queue is full, or SageMaker throttled the call."""

    status = 429
    retry_after_seconds = 1


class ModelTimedOut(ModelError):
    """The endpoint did not answer in time."""

    status = 504


class PredictionFailed(ModelError):
    """The model raised while it computed the answer."""


class ContractViolation(ModelError):
    """The model's answer does not match the package's schema; `problems` names every bad field of the answer."""

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(message)


class OperatorError(FlyballError):
    """Whoever runs Flyball can mend it; the command line prints it as one message and exits with code 2."""


class StoreUnavailable(OperatorError):
    """S3 did not take what a caller sent; `retry_after_seconds` is when to try again."""

    status: ClassVar[int] = 503
    retry_after_seconds: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class PackageProblem:
    """One thing wrong with a model package: where it stands, what was found, what is allowed."""

    file: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: found {self.found}; allowed: {self.allowed}"


class PackageError(OperatorError):
    """Every problem of every model package, in one error."""

    def __init__(self, problems: Sequence[PackageProblem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in model packages:\n{lines}")


class UnsupportedResource(OperatorError):
    """The local cloud was asked for something that it does not implement; it never skips silently."""

    def __init__(self, *, resource_type: str, logical_id: str, detail: str) -> None:
        self.resource_type, self.logical_id, self.detail = resource_type, logical_id, detail
        super().__init__(
            f"the local cloud does not implement {detail} of {resource_type} ({logical_id}); "
            "ARCHITECTURE.md lists what it does"
        )


class ProcessDied(OperatorError):
    """A process that Flyball started ended by itself; `log_tail` holds its last lines."""

    def __init__(self, *, name: str, exit_code: int, log_tail: Sequence[str]) -> None:
        self.name, self.exit_code, self.log_tail = name, exit_code, tuple(log_tail)
        tail = "\n".join(f"  {line}" for line in self.log_tail)
        super().__init__(f"{name} ended with exit code {exit_code}; its last lines:\n{tail}")
