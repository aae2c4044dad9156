"""How long the functions and jobs of a model may run; the functions' alarms fire shortly before."""

from __future__ import annotations

from model_packages.contract import Endpoint, Training

GATEWAY_MARGIN_SECONDS = 5
"""The gateway outlives the endpoint's timeout by so much, so that it can still say what happened."""
MONITOR_SECONDS = 900
"""Lambda's most; a window that does not fit is folded by Spark."""
RETRAINING_SECONDS = 900
"""Lambda's most: a step may read every capture that labels came for."""
RETRAINING_MEMORY_MB = 3008
"""The most that every account may have: a run's data are read whole. Processors come with memory, and so does time."""
EVALUATION_MINUTES = 60
JOB_MARGIN_MINUTES = 30
"""A job gets so much longer than it may run: until it has instances, image and data, and has stored what it made."""
MINUTE_SECONDS = 60


def gateway_seconds(endpoint: Endpoint) -> int:
    """Of the function before that endpoint."""
    return endpoint.timeout_seconds + GATEWAY_MARGIN_SECONDS


def training_seconds(training: Training) -> int:
    """Until the loop gives a training job up that SageMaker has not ended."""
    longest = training.longest_wait_minutes if training.spot else training.maximum_runtime_minutes
    return (longest + JOB_MARGIN_MINUTES) * MINUTE_SECONDS


def evaluation_seconds() -> int:
    """The same of an evaluation."""
    return (EVALUATION_MINUTES + JOB_MARGIN_MINUTES) * MINUTE_SECONDS
