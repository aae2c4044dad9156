"""What the evaluation writes is what the gate reads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model_packages.errors import OperatorError
from model_packages.evidence import Evidence
from tests.functions.retraining.evidences import of_challenger

EVIDENCE = of_challenger(failed_behaviours={"test_flips": "no"}, calibration_error=None)


@pytest.mark.parametrize("evidence", [EVIDENCE, replace(EVIDENCE, champion=None, compared=None, slices={})])
def test_what_is_written_is_read(evidence: Evidence) -> None:
    assert Evidence.from_json(evidence.to_json()) == evidence


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        json.dumps({**json.loads(EVIDENCE.to_json()), "format": 2}),
        json.dumps({**json.loads(EVIDENCE.to_json()), "rows_seen": 3}),
        json.dumps({"format": 1}),
    ],
    ids=["no JSON", "another format", "an unknown member", "without members"],
)
def test_what_no_evaluation_wrote_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match=r"evidence\.json: found .*; allowed: what `evaluate` of format 1 wrote"):
        Evidence.from_json(text)
