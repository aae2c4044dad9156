"""Resources as moto keeps them: what they are called in full, their keys, and their own policies. Nothing is changed.

Read from moto's memory, because an API call for each question would cost more than the rest of the check.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.apigateway.models import apigateway_backends
from moto.awslambda.models import LambdaStorage, lambda_backends
from moto.iam.models import iam_backends
from moto.kms.models import KmsBackend, kms_backends
from moto.s3.models import S3Backend, s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends

from local.services.iam.evaluation import ResourcePolicy
from local.services.iam.policies import Policy, PolicyKind, read_policy
from model_packages.errors import OperatorError

PARTITION: Final = "aws"
KEY_ID_BYTES: Final = 36
"""A ciphertext of moto's begins with the id of its key."""

NOBODY: Final = ResourcePolicy(Policy((), "no such role"), decides=True)
"""The policy of a role that does not exist: it cannot be assumed, and nobody learns more than that."""

for _owner, _name in ((LambdaStorage, "get_function_by_name_or_arn_with_qualifier"), (KmsBackend, "any_id_to_key_id")):
    if not hasattr(_owner, _name):
        raise OperatorError(f"moto has no {_owner.__name__}.{_name}; install the version of requirements/lock.txt")


def backend_of(backends: Any, account: str, region: str) -> Any:
    """moto's backend, without telling anybody that it was reached for: a look changes nothing that has to be kept."""
    regions = backends[account]
    found = regions.get(region)
    return regions[region] if found is None else found


class MotoResources:
    """The resources of one account and region."""

    def __init__(self, *, account: str, region: str) -> None:
        self._account, self._region = account, region

    def key_arn(self, name: str) -> str:
        """By id, alias or ARN of either; the text itself where there is no such key."""
        key = self._key(name)
        return str(key.arn) if key else name if name.startswith("arn:") else self._arn("kms", f"key/{name}")

    def ciphertext_key(self, ciphertext: str) -> str:
        """The key that made a base64 text; `*` where that cannot be seen."""
        try:
            key_id = base64.b64decode(ciphertext)[:KEY_ID_BYTES].decode("ascii")
        except ValueError:
            return "*"
        return self.key_arn(key_id)

    def secret_arn(self, name: str) -> str:
        secret = backend_of(secretsmanager_backends, self._account, self._region).secrets.get(name)
        return str(secret.arn) if secret else self._arn("secretsmanager", f"secret:{name}-??????")

    def role_arn(self, name: str) -> str:
        roles = backend_of(iam_backends, self._account, PARTITION).roles.values()
        path = next((role.path for role in roles if role.name == name), "/")
        return f"arn:{PARTITION}:iam::{self._account}:role{path}{name}"

    def user_arn(self, name: str) -> str:
        user = backend_of(iam_backends, self._account, PARTITION).users.get(name)
        return f"arn:{PARTITION}:iam::{self._account}:user{user.path if user else '/'}{name}"

    def bucket_key(self, bucket: str) -> str | None:
        found = self._default_encryption(bucket)
        return self._customer_key(found.get("KMSMasterKeyID") if found.get("SSEAlgorithm") == "aws:kms" else None)

    def uses_bucket_key(self, bucket: str) -> bool:
        rule = self._encryption_rule(bucket)
        return str(rule.get("BucketKeyEnabled", "false")).lower() == "true"

    def object_key(self, bucket: str, key: str) -> str | None:
        found = self._object(bucket, key)
        return self._customer_key(found.kms_key_id if found is not None and found.encryption == "aws:kms" else None)

    def has_object(self, bucket: str, key: str) -> bool:
        return self._object(bucket, key) is not None

    def topic_key(self, topic_arn: str) -> str | None:
        topic = backend_of(sns_backends, self._account, self._region).topics.get(topic_arn)
        return self._customer_key(topic.kms_master_key_id if topic else None)

    def queue_key(self, queue_arn: str) -> str | None:
        queue = self._queue(queue_arn)
        return self._customer_key(queue.kms_master_key_id if queue else None)

    def parameter_key(self, name: str) -> str | None:
        plain = name.rpartition(":parameter")[2].partition(":")[0]
        versions = backend_of(ssm_backends, self._account, self._region)._parameters.get(plain)
        newest = versions[-1] if versions else None
        return self._customer_key(newest.keyid if newest and newest.parameter_type == "SecureString" else None)

    def logging_role(self) -> str | None:
        """The role in whose name API Gateway writes logs."""
        account = backend_of(apigateway_backends, self._account, self._region).account
        role: str | None = account.cloudwatch_role_arn
        return role

    def policy_of(self, action: str, arn: str) -> ResourcePolicy | None:
        """The policy of the resource that the action is about; None where it has none, or no such thing exists."""
        service = action.partition(":")[0].lower()
        read = self._readers().get(service)
        found = read(arn) if read else None
        if not found:
            return NOBODY if service == "sts" else None
        text = found if isinstance(found, str) else found.decode() if isinstance(found, bytes) else json.dumps(found)
        kind = PolicyKind.TRUST if service == "sts" else PolicyKind.RESOURCE
        return ResourcePolicy(read_policy(text, name=arn, kind=kind), decides=service in ("kms", "sts"))

    def _readers(self) -> Mapping[str, Callable[[str], Any]]:
        return {
            "kms": self._key_policy,
            "lambda": self._function_policy,
            "s3": self._bucket_policy,
            "secretsmanager": self._secret_policy,
            "sns": self._topic_policy,
            "sqs": self._queue_policy,
            "sts": self._trust_policy,
        }

    def _key_policy(self, arn: str) -> str | None:
        key = self._key(arn)
        return None if key is None else key.policy

    def _function_policy(self, arn: str) -> Mapping[str, Any] | None:
        name, _, qualifier = arn.rpartition(":function:")[2].partition(":")
        storage = backend_of(lambda_backends, self._account, self._region)._lambdas
        try:
            function = storage.get_function_by_name_or_arn_with_qualifier(name, qualifier or None)
        except Exception as error:
            if "NotFound" not in type(error).__name__ and "Unknown" not in type(error).__name__:
                raise
            return None
        statements = [_without_resource(statement) for statement in function.policy.statements]
        return {"Version": "2012-10-17", "Statement": statements} if statements else None

    def _bucket_policy(self, arn: str) -> bytes | None:
        bucket = self._bucket(arn.rpartition(":")[2].partition("/")[0])
        return None if bucket is None else bucket.policy

    def _secret_policy(self, arn: str) -> str | None:
        secret = backend_of(secretsmanager_backends, self._account, self._region).secrets.get(arn)
        return getattr(secret, "policy", None)

    def _topic_policy(self, arn: str) -> str | None:
        topic = backend_of(sns_backends, self._account, self._region).topics.get(arn)
        return None if topic is None else topic.policy

    def _queue_policy(self, arn: str) -> str | None:
        queue = self._queue(arn)
        return None if queue is None else queue.policy

    def _trust_policy(self, arn: str) -> str | None:
        roles = backend_of(iam_backends, self._account, PARTITION).roles.values()
        return next((role.assume_role_policy_document for role in roles if role.arn == arn), None)

    def _key(self, name: str) -> Any:
        backend = backend_of(kms_backends, self._account, self._region)
        plain = name.rpartition(":")[2] if name.startswith("arn:") else name
        if plain.startswith("alias/"):
            return next((key for key in backend.keys.values() if plain in key.aliases), None)
        return backend.keys.get(plain.removeprefix("key/"))

    def _customer_key(self, name: str | None) -> str | None:
        """The ARN of a key of the account's own; the keys of the services themselves let everyone of the account in."""
        if not name or "alias/aws/" in name:
            return None
        return self.key_arn(name)

    def _bucket(self, name: str) -> Any:
        backend: S3Backend = backend_of(s3_backends, self._account, PARTITION)
        return backend.buckets.get(name)

    def _object(self, bucket: str, key: str) -> Any:
        found = self._bucket(bucket)
        return None if found is None else found.keys.get(key)

    def _encryption_rule(self, bucket: str) -> Mapping[str, Any]:
        found = self._bucket(bucket)
        rule: Mapping[str, Any] = (found.encryption or {}).get("Rule", {}) if found is not None else {}
        return rule

    def _default_encryption(self, bucket: str) -> Mapping[str, Any]:
        default: Mapping[str, Any] = self._encryption_rule(bucket).get("ApplyServerSideEncryptionByDefault", {})
        return default

    def _queue(self, arn: str) -> Any:
        return backend_of(sqs_backends, self._account, self._region).queues.get(arn.rpartition(":")[2])

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{PARTITION}:{service}:{self._region}:{self._account}:{rest}"


def _without_resource(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """A statement of AddPermission is about the function that it is kept with; moto writes a name into Resource."""
    return {key: value for key, value in statement.items() if key != "Resource"}
