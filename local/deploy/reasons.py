"""Why something failed, in the words of CloudFormation's events.

What a service or handler said is quoted as a resource handler's message; what is CloudFormation's own stands as it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from botocore.exceptions import ClientError

from local.deploy.errors import CloudFormationRefused, ResourceFailed, TemplateError

USER_INITIATED = "User Initiated"
CREATION_INITIATED = "Resource creation Initiated"
REPLACEMENT = "Requested update requires the creation of a new physical resource; hence creating one."
REPLACEMENT_WITHOUT_ROLLBACK = "Replacement type updates not supported on stack with disable-rollback."
NEW_PHYSICAL_ID = "Requested update required the provider to create a new physical resource"
CLEANUP_INCOMPLETE = "Update successful. One or more resources could not be deleted."
ROLLBACK_CLEANUP_INCOMPLETE = "One or more resources could not be deleted."

# What a service's error code contains, and CloudFormation's word for it; the first that fits counts.
_HANDLER_ERROR_CODES = (
    (("AlreadyExist", "AlreadyOwned", "ResourceInUse", "ResourceConflict"), "AlreadyExists"),
    (("NotFound", "NoSuch", "NonExistent", "DoesNotExist"), "NotFound"),
    (("AccessDenied", "Unauthorized", "AuthorizationError", "Forbidden"), "AccessDenied"),
    (("Throttl", "TooManyRequests"), "Throttling"),
    (("LimitExceeded", "QuotaExceeded"), "ServiceLimitExceeded"),
    (("DeleteConflict", "NotEmpty", "OperationAborted", "Conflict"), "ResourceConflict"),
    (("Validation", "Invalid", "BadRequest", "Malformed"), "InvalidRequest"),
)
_SERVER_FAULT = 500


def of_resource(error: Exception) -> str:
    """The status reason of the resource whose creation, update or deletion raised `error`."""
    if isinstance(error, CloudFormationRefused):
        return str(error)
    if isinstance(error, TemplateError):
        return error.problem
    cause = error.__cause__
    if isinstance(cause, CloudFormationRefused):
        return str(cause)
    message, code = _quoted(cause if isinstance(cause, ClientError) else error)
    return f'Resource handler returned message: "{message}" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: {code})'


def of_stack(error: Exception) -> str:
    """What went wrong where no resource is to blame: an output, an export."""
    return error.problem if isinstance(error, TemplateError) else str(error) or repr(error)


def failed_to(verb: str, logical_ids: Collection[str]) -> str:
    """The stack's status reason, as `failed to create`."""
    return f"The following resource(s) failed to {verb}: [{', '.join(logical_ids)}]. "


def with_rollback(reason: str) -> str:
    """Why a creation is rolled back."""
    return f"{reason.rstrip(' .')}. Rollback requested by user."


def _quoted(error: Exception) -> tuple[str, str]:
    if isinstance(error, ClientError):
        metadata = error.response.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 400)
        request_id = metadata.get("RequestId", uuid.uuid4())
        # botocore's error names the operation alone; CloudFormation's message has the service there.
        origin = f"Service: {error.operation_name}, Status Code: {status}, Request ID: {request_id}"
        message = error.response["Error"].get("Message", "")
        return f"{message} ({origin})", _handler_error_code(error.response["Error"]["Code"], status)
    if isinstance(error, ResourceFailed):
        return str(error), error.code
    return str(error) or repr(error), "InternalFailure"


def _handler_error_code(code: str, status: int) -> str:
    for parts, word in _HANDLER_ERROR_CODES:
        if any(part in code for part in parts):
            return word
    return "ServiceInternalError" if status >= _SERVER_FAULT else "GeneralServiceException"
