"""How long the functions of a model may run; their alarms fire shortly before."""

from __future__ import annotations

from model_packages.contract import Endpoint

GATEWAY_MARGIN_SECONDS = 5
"""The gateway outlives the endpoint's timeout by so much, so that it can still say what happened."""
MONITOR_SECONDS = 900
"""Lambda's most; a window that does not fit is folded by Spark."""


def gateway_seconds(endpoint: Endpoint) -> int:
    """Of the function before that endpoint."""
    return endpoint.timeout_seconds + GATEWAY_MARGIN_SECONDS
