"""Task tokens: what a task hands out, and the tasks that wait until somebody sends an answer for theirs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import uuid
from collections.abc import Callable
from datetime import datetime

from local.timers import Timers


def new_token(execution_arn: str) -> str:
    """A token that says which execution it is of, so that it is found after a restart."""
    return base64.urlsafe_b64encode(f"{execution_arn}|{uuid.uuid4()}".encode()).decode()


def execution_of_token(token: str) -> str | None:
    """The ARN in a token; None for what is no token."""
    try:
        arn, _, rest = base64.urlsafe_b64decode(token.encode()).decode().partition("|")
    except (binascii.Error, ValueError):
        return None
    return arn if rest and arn.startswith("arn:aws:states:") else None


class Tokens:
    """The tasks that wait, by their tokens. Belongs to the event loop of `timers`."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._waiting: dict[str, Callable[[], None]] = {}

    async def wait(self, token: str, *, until: datetime | None) -> None:
        """Comes back at a moment of the cloud's time, or before if something has been heard. No time waits for it."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = self._timers.rest()

        def hear() -> None:
            wake()
            if not woken.done():
                woken.set_result(None)

        async def end(_due: datetime) -> None:
            hear()

        timer = None if until is None else self._timers.at(until, end)
        self._waiting[token] = hear
        try:
            await woken
        finally:
            self._waiting.pop(token, None)
            wake()
            if timer is not None:
                timer.cancel()

    def tell(self, token: str) -> None:
        """Something has been sent for a token: whoever waits looks at it."""
        if (hear := self._waiting.get(token)) is not None:
            hear()
