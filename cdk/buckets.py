"""The three buckets of an installation: encrypted, private, over TLS only, and each with an end to what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.names import PackageNames
from cdk.settings import PlatformSettings
from functions.shared import layout
from model_packages.contract import Capture
from model_packages.discovery import ModelPackage

SUPERSEDED_DAYS = 90
ABANDONED_UPLOAD_DAYS = 7
WRITTEN_BY_THE_MONITOR = ("windows", "quality", "jobs", "unreadable")
"""Below a model's prefix, and with rows of requests in it; functions/shared/layout.py says what each holds."""


class Buckets(Construct):
    """`artifacts` holds trained versions, `captures` what endpoints saw and answered, `access_logs` who read either."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.Key,
        packages: Sequence[ModelPackage],
        settings: PlatformSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key, self._settings = key, settings
        self.access_logs = self._access_logs_bucket()
        self.artifacts = self._bucket("Artifacts", versioned=True, lifecycle_rules=[_superseded_rule()])
        self.captures = self._bucket("Captures", versioned=False, lifecycle_rules=self._capture_rules(packages))

    def _bucket(self, construct_id: str, *, versioned: bool, lifecycle_rules: Sequence[s3.LifecycleRule]) -> s3.Bucket:
        return s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=versioned,
            lifecycle_rules=[_abandoned_uploads_rule(), *lifecycle_rules],
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            removal_policy=self._settings.removal,
        )

    def _access_logs_bucket(self) -> s3.Bucket:
        """S3 delivers its access logs only to a bucket that S3's own keys encrypt."""
        expiration = Duration.days(self._settings.log_retention_days)
        return s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            lifecycle_rules=[_abandoned_uploads_rule(), s3.LifecycleRule(id="expire", expiration=expiration)],
            removal_policy=self._settings.removal,
        )

    def _capture_rules(self, packages: Sequence[ModelPackage]) -> list[s3.LifecycleRule]:
        """For each package, and for what a removed package left; where two rules apply, S3 takes the shorter."""
        longest = max((_retention_days(package) for package in packages), default=Capture().retention_days)
        left = {
            "removed-packages": f"{layout.CAPTURES}/",
            "removed-packages-labels": f"{layout.LABELS}/",
            "removed-packages-retraining": f"{layout.RETRAINING}/",
        }
        return [
            *(_expiration(rule_id, prefix=prefix, days=longest) for rule_id, prefix in left.items()),
            *(rule for package in packages for rule in self._package_rules(package)),
        ]

    def _package_rules(self, package: ModelPackage) -> Iterator[s3.LifecycleRule]:
        """Whatever may quote a request ends with the captures. The monitor's state does not: it is what it knows."""
        names = PackageNames(self._settings.prefix, package)
        yield _expiration(package.name, prefix=names.captures, days=package.config.capture.retention_days)
        yield _expiration(f"{package.name}-labels", prefix=names.labels, days=_retention_days(package))
        for part in WRITTEN_BY_THE_MONITOR:
            rule_id, prefix = f"{package.name}-{part}", f"{names.monitored}{part}/"
            yield _expiration(rule_id, prefix=prefix, days=_retention_days(package))
        yield _expiration(
            f"{package.name}-retraining", prefix=names.datasets, days=package.config.capture.retention_days
        )


def _retention_days(package: ModelPackage) -> int:
    """A prediction is kept for as long as it may be labelled."""
    return max(package.config.capture.retention_days, package.config.monitor.label_days)


def _expiration(rule_id: str, *, prefix: str, days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(id=rule_id, prefix=prefix, expiration=Duration.days(days))


def _superseded_rule() -> s3.LifecycleRule:
    return s3.LifecycleRule(id="superseded", noncurrent_version_expiration=Duration.days(SUPERSEDED_DAYS))


def _abandoned_uploads_rule() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="abandoned-uploads", abort_incomplete_multipart_upload_after=Duration.days(ABANDONED_UPLOAD_DAYS)
    )
