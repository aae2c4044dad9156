"""What the gateway's CloudWatch metrics are called; the stack's alarms and dashboard import the names from here."""

from __future__ import annotations

from enum import StrEnum

NAMESPACE = "Flyball"
SERVICE_DIMENSION = "service"
"""The package's name. Every metric has it."""
REASON_DIMENSION = "reason"
"""Rejected requests and model errors are counted once with the service alone and once with the reason beside it."""


class Metric(StrEnum):
    """`MODEL_LATENCY` and `GATEWAY_OVERHEAD` are in milliseconds; the others are counts.

    All but the last three, and INTERNAL_ERRORS, are of predictions alone.
    """

    REQUESTS = "Requests"
    REJECTED_REQUESTS = "RejectedRequests"
    MODEL_ERRORS = "ModelErrors"
    INTERNAL_ERRORS = "InternalErrors"
    MODEL_LATENCY = "ModelLatency"
    GATEWAY_OVERHEAD = "GatewayOverhead"
    CAPTURE_FAILURES = "CaptureFailures"
    """Answered requests whose capture the gateway could not store."""
    LABELS = "Labels"
    """Labels that were stored."""
    REJECTED_FEEDBACK = "RejectedFeedback"
    """Requests with labels of which none was stored, by the caller's fault."""
