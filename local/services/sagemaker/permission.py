"""What SageMaker itself does in a role's name: pulls the image, reads and writes objects, writes logs.

Whether the role may is asked through `May`, so that who judges policies is injected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

Context = Mapping[str, str]
"""What is asked beside the action and its resource, by condition key."""


class May(Protocol):
    """Whether a role may do something to what an ARN names: why it is refused, or None where it is allowed."""

    def __call__(self, role_arn: str, action: str, resource: str, context: Context | None = None, /) -> str | None: ...


Trusts = Callable[[str, str], bool]
"""(role's ARN, service's principal) -> whether there is such a role and the service may assume it."""

PRINCIPAL: Final = "sagemaker.amazonaws.com"
PULL_ACTIONS: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
LOG_ACTIONS: Final = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def allow(_role_arn: str, _action: str, _resource: str, _context: Context | None = None) -> str | None:
    """The judge of those who do not judge."""
    return None


def trust(_role_arn: str, _service: str) -> bool:
    """The same for roles' trust policies."""
    return True


def unassumable(role_arn: str, trusts: Trusts) -> str | None:
    """Why SageMaker cannot act in a role's name at all, in AWS's words; None where it can."""
    if trusts(role_arn, PRINCIPAL):
        return None
    return (
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal '{PRINCIPAL}' to "
        "assume the role."
    )


@dataclass(frozen=True, slots=True)
class Role:
    """A role that something runs under; each question gives the refusal, or None. Without an ARN all is allowed."""

    arn: str | None
    may: May
    account: str
    region: str

    def pull(self, image: str) -> str | None:
        """Fetch an image from ECR; other registries are not judged."""
        host, _, path = image.partition("/")
        if ".dkr.ecr." not in host:
            return None
        account, _, _, region, *_rest = host.split(".")
        repository = path.partition("@")[0].rpartition(":")[0] or path
        arn = f"arn:aws:ecr:{region}:{account}:repository/{repository}"
        return self._first([("ecr:GetAuthorizationToken", "*"), *((action, arn) for action in PULL_ACTIONS)])

    def list_bucket(self, bucket: str, prefix: str) -> str | None:
        """List what is below a prefix."""
        if self.arn is None:
            return None
        return self.may(self.arn, "s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})

    def read(self, bucket: str, key: str) -> str | None:
        return self._first([("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")])

    def write(self, bucket: str, key: str, *, kms_key: str | None = None) -> str | None:
        """Put an object, encrypted with `kms_key` (an id, an alias or an ARN) where there is one."""
        asked = [("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")]
        if kms_key:
            asked.append(("kms:GenerateDataKey", self._key_arn(kms_key)))
        return self._first(asked)

    def delete(self, bucket: str, key: str) -> str | None:
        return self._first([("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{key}")])

    def log(self, group: str, stream: str) -> str | None:
        """Write lines into a stream that may have to be made first."""
        own = f"arn:aws:logs:{self.region}:{self.account}:log-group:{group}"
        resources = (own, f"{own}:log-stream:{stream}", f"{own}:log-stream:{stream}")
        return self._first(list(zip(LOG_ACTIONS, resources, strict=True)))

    def _key_arn(self, key: str) -> str:
        if key.startswith("arn:"):
            return key
        name = key if key.startswith("alias/") else f"key/{key}"
        return f"arn:aws:kms:{self.region}:{self.account}:{name}"

    def _first(self, asked: Iterable[tuple[str, str]]) -> str | None:
        if self.arn is None:
            return None
        refusals = (self.may(self.arn, action, resource) for action, resource in asked)
        return next((refusal for refusal in refusals if refusal is not None), None)
