"""The IAM action behind an API operation. Most have the operation's name; the exceptions are in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from local.services.iam.service_reference import exists

PREFIXES: Final[Mapping[str, str]] = {"stepfunctions": "states", "sagemaker-runtime": "sagemaker"}
"""Of those services whose actions do not begin with botocore's name of the service."""

OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "dynamodb:TransactGetItems": ("dynamodb:GetItem",),
    "kms:ReEncrypt": ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CopyObject": ("s3:PutObject",),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:DeleteBucketCors": ("s3:PutBucketCORS",),
    "s3:DeleteBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:DeleteBucketLifecycle": ("s3:PutLifecycleConfiguration",),
    "s3:DeleteBucketOwnershipControls": ("s3:PutBucketOwnershipControls",),
    "s3:DeleteBucketTagging": ("s3:PutBucketTagging",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:GetBucketAccelerateConfiguration": ("s3:GetAccelerateConfiguration",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetBucketNotificationConfiguration": ("s3:GetBucketNotification",),
    "s3:GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "s3:GetObjectAttributes": ("s3:GetObject", "s3:GetObjectAttributes"),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjects": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListParts": ("s3:ListMultipartUploadParts",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:PutBucketNotificationConfiguration": ("s3:PutBucketNotification",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:UploadPartCopy": ("s3:PutObject",),
    "sns:PublishBatch": ("sns:Publish",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
}
"""Operations that AWS authorises under another name, or under two."""

WITH_VERSION: Final[Mapping[str, str]] = {
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:HeadObject": "s3:GetObjectVersion",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
}
"""What S3 asks for where the call names a version of an object."""

FREE: Final = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""Calls that need no permission, and that GetCallerIdentity's explicit deny cannot take away."""

UNSIGNED: Final = frozenset(
    f"cognito-idp:{operation}" for operation in ("InitiateAuth", "RespondToAuthChallenge", "GetUser")
)
"""Calls of people who have no AWS credentials: what they send authorises them."""


class NoAction(LookupError):
    """An operation whose action nobody has written down."""


def prefix_of(service: str) -> str:
    """What the service's actions begin with."""
    return PREFIXES.get(service, service)


def actions_of(service: str, operation: str, *, version: bool = False) -> tuple[str, ...]:
    """The actions that an operation needs; `version` if the call names one.

    Raises: NoAction.
    """
    name = f"{prefix_of(service)}:{operation}"
    if version and name in WITH_VERSION:
        return (WITH_VERSION[name],)
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    if not exists(name):
        raise NoAction(
            f"no IAM action is known for {service}:{operation}; OTHER_NAMES of {__name__} is the place for it"
        )
    return (name,)
