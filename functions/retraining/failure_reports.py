"""failure.json of a run that did not end well: what its step said and the end of its job's log.

Both may quote data, and so they are kept with the run's artifacts and not in the loop's state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.monitor.objects import Bucket
from functions.retraining.failures import explain
from functions.retraining.jobs import JobLogs, job_name
from functions.retraining.notices import FailureReport
from functions.shared import layout

FILE = "failure.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReports:
    """Writes and reads those of one package."""

    bucket: Bucket
    logs: JobLogs
    aws_name: str
    endpoint: str

    def write(self, run: str, facts: Mapping[str, Any]) -> None:
        """The same facts and log give the same report."""
        error, cause = str(facts.get("error") or ""), str(facts.get("cause") or "")
        job, failure = job_name(self.endpoint, run), explain(error, cause)
        document = {
            "run": run,
            "error": error,
            "sentence": failure.sentence,
            "detail": failure.detail,
            "job": job,
            "log_tail": self.logs.tail(job),
        }
        self.bucket.put(self._key(run), json.dumps(document, indent=1).encode())

    def read(self, run: str) -> FailureReport | None:
        """None where there is none."""
        content = self.bucket.find(self._key(run))
        if content is None:
            return None
        document = json.loads(content)
        uri = f"s3://{self.bucket.name}/{self._key(run)}"
        return FailureReport(detail=document["detail"], log_tail=tuple(document["log_tail"]), uri=uri)

    def _key(self, run: str) -> str:
        return f"{layout.run_prefix(self.aws_name, run)}{FILE}"
