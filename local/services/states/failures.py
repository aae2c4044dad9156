"""What goes wrong: in a state, under the error names of the Amazon States Language, and in a call of the API."""

from __future__ import annotations

from typing import Final

ALL: Final = "States.ALL"
TASK_FAILED: Final = "States.TaskFailed"
TIMEOUT: Final = "States.Timeout"
HEARTBEAT_TIMEOUT: Final = "States.HeartbeatTimeout"
RUNTIME: Final = "States.Runtime"
QUERY: Final = "States.QueryEvaluationError"
NO_CHOICE: Final = "States.NoChoiceMatched"
DATA_LIMIT: Final = "States.DataLimitExceeded"

DATA_LIMIT_BYTES: Final = 262_144


class StateFailed(Exception):
    """A state has failed. `is_own` says that the interpreter found it, and not what the state called.

    `also` is another name that retriers and catchers may know it by, `location` the field that could not be evaluated.
    """

    def __init__(
        self, error: str | None, cause: str | None, *, is_own: bool = False, also: str = "", location: str = ""
    ) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause, self.is_own = error, cause, is_own
        self.also, self.location = also, location

    def is_named(self, names: tuple[str, ...]) -> bool:
        """Whether a retrier or a catcher of these names is for it."""
        if self.error == RUNTIME:
            return False
        if self.error in names or (self.also and self.also in names):
            return True
        if self.error == DATA_LIMIT:
            return False
        return ALL in names or (TASK_FAILED in names and self.error != TIMEOUT)


def runtime_failure(cause: str) -> StateFailed:
    """What neither a retrier nor a catcher helps against."""
    return StateFailed(RUNTIME, cause, is_own=True)


class StatesRefused(Exception):
    """An API call is refused; `code` is what an SDK makes its exception of."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def invalid(message: str) -> StatesRefused:
    """The error for parameters of a wrong form."""
    return StatesRefused("ValidationException", message)
