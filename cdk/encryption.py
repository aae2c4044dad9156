"""The one KMS key of an installation: buckets, logs, the alarm topic and the endpoints' disks are encrypted with it."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.names import ENDPOINT_LOGS, STATE_MACHINE_LOGS
from cdk.settings import PlatformSettings
from cdk.statements import arn


class EncryptionKey(kms.Key):
    """A key that rotates. Roles are allowed to use it by their own policies; services, which have none, by this one."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: PlatformSettings) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Encrypts the data, logs and disks of {settings.prefix}",
            enable_key_rotation=True,
            removal_policy=settings.removal,
        )
        self.add_to_resource_policy(_logs_statement(settings.prefix))
        self.add_to_resource_policy(_alarms_statement())


def _logs_statement(prefix: str) -> iam.PolicyStatement:
    """CloudWatch Logs, for this installation's log groups: its stacks', its endpoints' and its loops'."""
    log_groups = arn("logs", "log-group")
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
        actions=["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        resources=["*"],  # in a key's policy, the key itself
        conditions={
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": [
                    f"{log_groups}:{prefix}-*",
                    f"{log_groups}:{ENDPOINT_LOGS}/{prefix}-*",
                    f"{log_groups}:{STATE_MACHINE_LOGS}/{prefix}-*",
                ]
            }
        },
    )


def _alarms_statement() -> iam.PolicyStatement:
    """CloudWatch alarms, which publish to the encrypted topic."""
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        actions=["kms:Decrypt", "kms:GenerateDataKey*"],
        resources=["*"],  # in a key's policy, the key itself
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )
