"""The error tree: whose fault, which status, and messages that say what was found and what is allowed."""

from __future__ import annotations

import pytest

from model_packages import errors
from model_packages.errors import (
    CallerError,
    ContractViolation,
    FieldProblem,
    FlyballError,
    InvalidRequest,
    MethodNotAllowed,
    ModelError,
    ModelThrottled,
    ModelTimedOut,
    ModelUnavailable,
    OperatorError,
    PackageError,
    PackageProblem,
    PayloadTooLarge,
    PredictionFailed,
    ProcessDied,
    UnknownModel,
    UnknownPath,
    UnsupportedContent,
    UnsupportedResource,
)

EVERY_ERROR = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, FlyballError)]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_every_error_is_one_sides_fault_and_explained_in_the_tree(error: type[FlyballError]) -> None:
    sides = [side for side in (CallerError, ModelError, OperatorError) if issubclass(error, side)]

    assert error is FlyballError or len(sides) == 1
    assert error.__doc__


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest, 422),
        (UnknownModel, 404),
        (UnknownPath, 404),
        (MethodNotAllowed, 405),
        (PayloadTooLarge, 413),
        (UnsupportedContent, 415),
        (ModelUnavailable, 503),
        (ModelThrottled, 429),
        (ModelTimedOut, 504),
        (PredictionFailed, 502),
        (ContractViolation, 502),
    ],
)
def test_each_error_that_a_caller_sees_has_its_status(error: type[CallerError | ModelError], status: int) -> None:
    assert error.status == status


def test_only_errors_that_pass_by_themselves_say_when_to_retry() -> None:
    retried = {
        error.__name__
        for error in EVERY_ERROR
        if issubclass(error, ModelError) and error.retry_after_seconds is not None
    }

    assert retried == {"ModelUnavailable", "ModelThrottled"}


def test_an_invalid_request_names_its_bad_fields() -> None:
    problems = [FieldProblem(pointer="/amount", code="missing", found="nothing", allowed="a number")]

    error = InvalidRequest(problems)

    assert "/amount" in str(error)
    assert error.problems == tuple(problems)


def test_an_invalid_request_names_five_fields_and_counts_the_rest() -> None:
    problems = [FieldProblem(pointer=f"/{n}", code="missing", found="nothing", allowed="a number") for n in range(7)]

    error = InvalidRequest(problems, omitted=10)

    assert str(error) == "the request does not match the schema at /0, /1, /2, /3, /4 and 12 more"


def test_a_package_error_counts_and_lists_its_problems() -> None:
    problem = PackageProblem(file="a/package.toml", key="gate.metric", found="nothing", allowed="a value")

    assert str(PackageError([problem])) == (
        "1 problem in model packages:\n  a/package.toml: gate.metric: found nothing; allowed: a value"
    )
    assert str(PackageError([problem, problem])).startswith("2 problems in model packages:\n")


def test_a_problem_of_a_whole_file_has_no_key_in_its_message() -> None:
    problem = PackageProblem(file="a/train.py", key="", found="no file", allowed="a file")

    assert str(problem) == "a/train.py: found no file; allowed: a file"


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (UnknownModel("chrun", known=["churn", "digits"]), ["'chrun'", "churn, digits"]),
        (UnknownModel("churn", known=[]), ["none"]),
        (UnknownPath(path="/predcit", known=["/predict"]), ["'/predcit'", "allowed: /predict"]),
        (MethodNotAllowed(method="PUT", allowed=["GET", "POST"]), ["PUT", "allowed: GET, POST"]),
        (UnsupportedContent(header="content-type", found="", allowed="application/json"), ["nothing", "json"]),
        (PayloadTooLarge(size_bytes=11, limit_bytes=10), ["11 bytes", "at most 10"]),
        (
            UnsupportedResource(resource_type="AWS::EC2::VPC", logical_id="Vpc", detail="CidrBlock"),
            ["CidrBlock of AWS::EC2::VPC (Vpc)", "ARCHITECTURE.md"],
        ),
        (ProcessDied(name="digits", exit_code=3, log_tail=["one", "two"]), ["digits", "code 3", "  one\n  two"]),
    ],
)
def test_a_message_carries_the_facts(error: FlyballError, facts: list[str]) -> None:
    assert all(fact in str(error) for fact in facts)
