"""One tree of errors, one form of answer."""

from __future__ import annotations

import json

import pytest

from functions.shared.problems import code_of, problem_answer, problem_document, slug_of, status_of
from model_packages import errors
from model_packages.errors import CallerError, InvalidRequest, ModelError, ModelThrottled, OperatorError, UnknownModel

CLASSES = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, CallerError | ModelError) and found.__module__ == errors.__name__
]


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_class_has_a_code_and_a_status_of_its_own_kind(error_class: type[CallerError | ModelError]) -> None:
    error = error_class.__new__(error_class)

    assert code_of(error) == slug_of(error_class.__name__) != "internal-error"
    assert 400 <= status_of(error) < 600


def test_a_class_name_becomes_words() -> None:
    assert slug_of("ModelTimedOut") == "model-timed-out"


def test_what_an_operator_must_mend_is_not_told_to_callers() -> None:
    answer = problem_answer(OperatorError("the table users has no column"), inference_id="0190")

    assert (answer["statusCode"], json.loads(answer["body"])["title"]) == (500, "Internal error")
    assert "table" not in answer["body"]


def test_a_document_without_an_instance_has_none() -> None:
    assert problem_document(code="too-many-requests", status=429, detail="wait") == {
        "type": "urn:flyball:problem:too-many-requests",
        "title": "Too many requests",
        "status": 429,
        "detail": "wait",
    }


def test_the_extensions_are_those_of_the_error() -> None:
    unknown = json.loads(problem_answer(UnknownModel("x", ["a", "b"]), inference_id="0190")["body"])
    invalid = json.loads(problem_answer(InvalidRequest([]), inference_id="0190")["body"])
    throttled = json.loads(problem_answer(ModelThrottled(), inference_id="0190")["body"])

    assert unknown["models"] == ["a", "b"]
    assert invalid["errors"] == []
    assert set(throttled) == {"type", "title", "status", "detail", "instance"}
