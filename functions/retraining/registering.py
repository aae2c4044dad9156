"""The step `register`: a challenger becomes a version in the model registry, rejected ones too, with all it came from.

The call carries a token that is made of the run: twice is once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from functions.monitor.objects import Bucket, S3Objects, parse_uri
from functions.retraining.judging import read_evidence
from functions.retraining.model_card import CardFacts, model_card, readme_of
from functions.retraining.settings import RetrainingSettings
from functions.shared.champion import label_of
from functions.shared.layout import BASELINE_FOLDER
from model_packages.contract import PackageConfig
from model_packages.errors import OperatorError
from model_packages.evidence import EVIDENCE, Evidence
from model_packages.interface import Interface
from model_packages.profile.documents import BASELINE, CONSTRAINTS, STATISTICS
from model_packages.serving import PACKAGE_VARIABLE

JSON = "application/json"
TOKEN_CHARACTERS = 32
MAXIMUM_DESCRIPTION_CHARACTERS = 1024
MAXIMUM_KEY_CHARACTERS, MAXIMUM_VALUE_CHARACTERS = 128, 256
"""Of a version's property."""
MAXIMUM_METRICS = 15
"""Of each model; SageMaker keeps 50 properties of a version."""
VALUE_CHARACTERS = " _.:/=+-@"
"""What a property's value may hold beside letters and numbers."""

Event = Mapping[str, Any]


class Registry(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def create_model_package(self, **arguments: Any) -> Any: ...

    def update_model_package(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """Of one package."""

    s3: S3Objects
    sagemaker: Registry
    settings: RetrainingSettings
    config: PackageConfig
    interface: Interface

    def register(self, event: Event) -> dict[str, Any]:
        """The step: `{"version": its ARN, "number"}`. Raises: OperatorError if it could not be watched in service."""
        evaluation_uri = event["data"]["evaluation_uri"]
        evidence = read_evidence(self.s3, evaluation_uri)
        self._require_baseline(f"{evaluation_uri}{BASELINE_FOLDER}{BASELINE}")
        request = self._request(event, evidence)
        arn: str = self.sagemaker.create_model_package(**request)["ModelPackageArn"]
        self.sagemaker.update_model_package(  # nothing else takes a description
            ModelPackageArn=arn,
            ModelApprovalStatus=request["ModelApprovalStatus"],
            ApprovalDescription=one_line(event["decision"]["summary"])[:MAXIMUM_DESCRIPTION_CHARACTERS],
        )
        return {"version": arn, "number": int(arn.rpartition("/")[2])}

    def _request(self, event: Event, evidence: Evidence) -> dict[str, Any]:
        evaluation_uri = event["data"]["evaluation_uri"]
        watched = {"ModelDataQuality": _data_quality(f"{evaluation_uri}{BASELINE_FOLDER}")}
        return {
            "ModelPackageGroupName": self.settings.model_package_group,
            "ModelPackageDescription": self.config.description,
            "InferenceSpecification": self._inference(event["model_uri"]),
            "ModelApprovalStatus": self._approval(promote=event["decision"]["promote"]),
            "ModelMetrics": {"ModelQuality": {"Statistics": _source(f"{evaluation_uri}{EVIDENCE}")}, **watched},
            "DriftCheckBaselines": watched,  # where the monitor looks for the champion's baseline
            "CustomerMetadataProperties": self._lineage(event, evidence),
            "MetadataProperties": {"GeneratedBy": event["execution"]},
            "ModelCard": {"ModelCardContent": self._card(event, evidence), "ModelCardStatus": "Draft"},
            "ClientToken": hashlib.sha256(event["execution"].encode()).hexdigest()[:TOKEN_CHARACTERS],
        }

    def _inference(self, model_uri: str) -> dict[str, Any]:
        container = {
            "Image": self.settings.image_uri,
            "ModelDataUrl": model_uri,
            "Environment": {PACKAGE_VARIABLE: self.settings.package},
        }
        return {
            "Containers": [container],
            "SupportedContentTypes": [JSON],
            "SupportedResponseMIMETypes": [JSON],
            "SupportedRealtimeInferenceInstanceTypes": [self.config.endpoint.instance_type],
        }

    def _approval(self, *, promote: bool) -> str:
        if not promote:
            return "Rejected"
        return "PendingManualApproval" if self.config.retraining.approval else "Approved"

    def _lineage(self, event: Event, evidence: Evidence) -> dict[str, str]:
        """What the version came from and how it did, for whoever searches the registry."""
        data, champion = event["data"], evidence.champion
        properties = {
            "run": event["run"],
            "trigger": event["trigger"]["kind"],
            "parent": label_of(event["champion"]["arn"]),
            "parent_arn": event["champion"]["arn"],
            "decision": "promote" if event["decision"]["promote"] else "reject",
            "image": self.settings.image_uri,
            "schema_hash": evidence.challenger.schema_hash,
            "manifest": data["manifest_uri"],
            "manifest_sha256": self._digest(data["manifest_uri"]),
            **{f"rows.{name}": str(count) for name, count in data.get("rows", {}).items()},
            **_metrics("holdout", evidence.challenger.metrics),
            **_metrics("champion_holdout", champion.metrics if champion else {}),
        }
        if evidence.compared is not None:
            compared = evidence.compared
            properties |= {"gain": f"{compared.gain:.6g}", "gain_at_least": f"{compared.low:.6g}"}
        return {
            property_text(name)[:MAXIMUM_KEY_CHARACTERS]: property_text(value) for name, value in properties.items()
        }

    def _card(self, event: Event, evidence: Evidence) -> str:
        trigger = event["trigger"]
        facts = CardFacts(
            run=event["run"],
            why=" ".join(str(trigger[name]) for name in ("kind", "alarm", "reason") if trigger.get(name)),
            model_uri=event["model_uri"],
            image_uri=self.settings.image_uri,
            data=event["data"],
            decision=event["decision"],
            evidence=evidence,
        )
        return model_card(facts, config=self.config, readme=readme_of(self.interface))

    def _require_baseline(self, uri: str) -> None:
        bucket, key = parse_uri(uri)
        if Bucket(self.s3, bucket).find(key) is None:
            raise OperatorError(
                f"found no {uri}; allowed: the baseline that the evaluation writes, without which the monitor could "
                "not watch the version"
            )

    def _digest(self, uri: str) -> str:
        bucket, key = parse_uri(uri)
        return hashlib.sha256(Bucket(self.s3, bucket).get(key)).hexdigest()


def one_line(text: str) -> str:
    return " ".join(text.split())


def property_text(text: str) -> str:
    """As a version's property may be: other characters become `_`."""
    kept = "".join(each if each.isalnum() or each in VALUE_CHARACTERS else "_" for each in text)
    return kept[:MAXIMUM_VALUE_CHARACTERS] or "_"


def _metrics(whose: str, metrics: Mapping[str, float]) -> dict[str, str]:
    return {f"{whose}.{name}": f"{metrics[name]:.6g}" for name in sorted(metrics)[:MAXIMUM_METRICS]}


def _data_quality(prefix: str) -> dict[str, Any]:
    return {"Statistics": _source(f"{prefix}{STATISTICS}"), "Constraints": _source(f"{prefix}{CONSTRAINTS}")}


def _source(uri: str) -> dict[str, str]:
    return {"ContentType": JSON, "S3Uri": uri}
