"""What CloudWatch refuses, under the codes that its SDKs make exceptions of."""

from __future__ import annotations

from typing import ClassVar

from model_packages.errors import FlyballError


class CloudWatchError(FlyballError):
    """A call that CloudWatch refuses; the caller is at fault."""

    code: ClassVar[str] = "ValidationError"
    status: ClassVar[int] = 400


class ValidationFailed(CloudWatchError):
    """An argument is not what the operation takes."""


class InvalidParameterValue(CloudWatchError):
    """One argument's value is not allowed."""

    code = "InvalidParameterValue"


class InvalidCombination(CloudWatchError):
    """Two arguments exclude each other, or ask for too much together."""

    code = "InvalidParameterCombination"


class MissingParameter(CloudWatchError):
    """An argument that is needed is not there."""

    code = "MissingParameter"


class InvalidNextToken(CloudWatchError):
    """A token that no answer gave."""

    code = "InvalidNextToken"


class InvalidFormat(CloudWatchError):
    """An argument that is no JSON and has to be."""

    code = "InvalidFormat"


class NoSuchResource(CloudWatchError):
    """The alarm or dashboard that is named is not there."""

    code = "ResourceNotFound"
    status = 404


class NoSuchTaggedResource(CloudWatchError):
    """The ARN in a call about tags is nobody's."""

    code = "ResourceNotFoundException"
    status = 404


class InvalidDashboard(CloudWatchError):
    """A dashboard's body that is none."""

    code = "InvalidParameterInput"


class Unsupported(CloudWatchError):
    """What CloudWatch has and the local one does not."""

    code = "NotImplementedByLocalCloud"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"the local CloudWatch has no {what}; docs/monitoring.md lists what it has")
