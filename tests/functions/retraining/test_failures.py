"""What Step Functions hands over as Error and Cause becomes one sentence that quotes no data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.retraining.failures import MAXIMUM_SENTENCE_CHARACTERS, explain

TRAINING = {"TrainingJobName": "job", "TrainingJobStatus": "Failed"}
PROCESSING = {"ProcessingJobName": "job", "ProcessingJobStatus": "Stopped"}


@pytest.mark.parametrize(
    ("error", "cause", "sentence"),
    [
        (
            "States.TaskFailed",
            {**TRAINING, "FailureReason": "AlgorithmError: petals 17, exit code: 137"},
            "the training job job ended as Failed: AlgorithmError, exit code 137",
        ),
        (
            "States.TaskFailed",
            {**TRAINING, "FailureReason": "CapacityError: Unable to provision requested ML compute capacity."},
            "the training job job ended as Failed: CapacityError: Unable to provision requested ML compute capacity.",
        ),
        (
            "States.TaskFailed",
            {**TRAINING, "TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
            "the training job job ended as Stopped: it took longer than its maximum runtime",
        ),
        ("States.TaskFailed", {**PROCESSING, "ExitMessage": "petals 17"}, "the evaluation job job ended as Stopped"),
        (
            "OperatorError",
            {"errorType": "OperatorError", "errorMessage": "found no labels; allowed: 500"},
            "found no labels; allowed: 500",
        ),
        (
            "ValidationError",
            {"errorType": "ValidationError", "errorMessage": "petals: 17"},
            "a step of the loop's function failed: ValidationError",
        ),
        (
            "InvalidRequest",
            {"errorType": "InvalidRequest", "errorMessage": "petals: 17"},
            "a step of the loop's function failed: InvalidRequest",
        ),
        (
            "Sandbox.Timedout",
            {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 60.00 seconds"},
            "a step of the loop's function took longer than it may",
        ),
        ("States.Timeout", "", "a step took longer than it may"),
        (
            "SageMaker.ResourceLimitExceededException",
            "The account-level\nlimit is 0 Instances",
            "SageMaker.ResourceLimitExceededException: The account-level limit is 0 Instances",
        ),
        ("Odd", "petals 17", "Odd"),
        ("", "[17]", "a step failed"),
        ("", "", "a step failed"),
    ],
)
def test_a_failure_is_one_sentence(error: str, cause: Any, sentence: str) -> None:
    text = cause if isinstance(cause, str) else json.dumps(cause)

    failure = explain(error, text)

    assert failure.sentence == sentence
    assert "17" not in failure.sentence
    assert len(failure.sentence) <= MAXIMUM_SENTENCE_CHARACTERS


def test_a_long_sentence_is_cut() -> None:
    failure = explain("States.Runtime", "x" * 9000)

    assert len(failure.sentence) == MAXIMUM_SENTENCE_CHARACTERS
    assert failure.sentence.endswith("...")
