"""The three buckets of an installation: encrypted, private, over TLS only, and each with an end to what it keeps."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.names import CAPTURES_PREFIX, PackageNames
from cdk.settings import PlatformSettings
from model_packages.contract import Capture
from model_packages.discovery import ModelPackage

SUPERSEDED_DAYS = 90
ABANDONED_UPLOAD_DAYS = 7


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
        """One rule a package, and one for what a removed package left; where two apply, S3 takes the shorter."""
        longest = max((package.config.capture.retention_days for package in packages), default=Capture().retention_days)
        return [
            s3.LifecycleRule(id="removed-packages", prefix=f"{CAPTURES_PREFIX}/", expiration=Duration.days(longest)),
            *(
                s3.LifecycleRule(
                    id=package.name,
                    prefix=PackageNames(self._settings.prefix, package).captures,
                    expiration=Duration.days(package.config.capture.retention_days),
                )
                for package in packages
            ),
        ]


def _superseded_rule() -> s3.LifecycleRule:
    return s3.LifecycleRule(id="superseded", noncurrent_version_expiration=Duration.days(SUPERSEDED_DAYS))


def _abandoned_uploads_rule() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="abandoned-uploads", abort_incomplete_multipart_upload_after=Duration.days(ABANDONED_UPLOAD_DAYS)
    )
