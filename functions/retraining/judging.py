"""The step `judge`: what the evaluation found, through the gate, to a decision that is kept beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from functions.monitor.objects import Bucket, S3Objects, parse_uri
from functions.retraining.gate import judge
from functions.retraining.settings import RetrainingSettings
from functions.shared import layout
from model_packages.contract import PackageConfig
from model_packages.errors import OperatorError
from model_packages.evidence import EVIDENCE, Evidence
from model_packages.interface import Interface

DECISION = "decision.json"
FORMAT = 1


def read_evidence(s3: S3Objects, evaluation_uri: str) -> Evidence:
    """What the evaluation wrote below it. Raises: OperatorError if that is nothing, or of another format."""
    bucket, key = parse_uri(f"{evaluation_uri}{EVIDENCE}")
    content = Bucket(s3, bucket).find(key)
    if content is None:
        raise OperatorError(f"found no {evaluation_uri}{EVIDENCE}; allowed: what the verb `evaluate` writes")
    return Evidence.from_json(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Of one package. `interface` is the one that callers are answered by now."""

    s3: S3Objects
    settings: RetrainingSettings
    config: PackageConfig
    interface: Interface

    def judge(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The step: `{"promote", "summary", "reasons"}`. Twice gives the same."""
        evidence = read_evidence(self.s3, event["data"]["evaluation_uri"])
        if evidence.package != self.settings.package:
            raise OperatorError(
                f"the evidence is of the package {evidence.package!r}; allowed: {self.settings.package!r}"
            )
        decision = judge(
            evidence,
            self.config.gate,
            self.config.rollout,
            serving_schema_hash=self.interface.schema_hash,
        )
        answer = asdict(decision)
        self._keep({**answer, "run": event["run"], "at": event["now"]}, run=event["run"])
        return {**answer, "reasons": list(answer["reasons"])}

    def _keep(self, decision: Mapping[str, Any], *, run: str) -> None:
        prefix = layout.run_prefix(self.settings.aws_name, run)
        content = json.dumps({"format": FORMAT, **decision}, indent=1, sort_keys=True) + "\n"
        Bucket(self.s3, self.settings.artifacts_bucket).put(f"{prefix}{DECISION}", content.encode())
