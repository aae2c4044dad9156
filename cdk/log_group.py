"""A log group as every part of an installation has it: encrypted, and kept for as long as the settings say."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.settings import PlatformSettings

RETENTION: Mapping[int, logs.RetentionDays] = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
}


class EncryptedLogGroup(logs.LogGroup):
    """Its name is CloudFormation's, so that old logs may be kept without standing in the way of a new deploy. Where an
    AWS service chooses the `name`, a kept log group would do just that, and it goes with its stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        settings: PlatformSettings,
        name: str | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            log_group_name=name,
            encryption_key=key,
            retention=RETENTION[settings.log_retention_days],
            removal_policy=settings.removal if name is None else RemovalPolicy.DESTROY,
        )
