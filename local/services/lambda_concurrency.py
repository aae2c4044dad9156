"""How many invocations may run at once: those that a function reserves, and those that all others share.

Counts invocations under way by function, whatever the version. Whoever is over the limit is throttled, not queued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local.services.lambda_function import Function, ThrottleReason, TooManyRequests

ACCOUNT_CONCURRENCY = 1000
"""What AWS gives a new account, in each region."""

MINIMUM_UNRESERVED = 100
"""PutFunctionConcurrency leaves at least so many to the functions that reserve none."""


class Concurrency:
    """The account's concurrency. `reserved` is what all functions together reserve; asked only when it matters."""

    def __init__(self, *, limit: int = ACCOUNT_CONCURRENCY, reserved: Callable[[], int] = lambda: 0) -> None:
        self._limit, self._reserved = limit, reserved
        self._by_function: Counter[str] = Counter()
        self._shared = 0

    @contextmanager
    def slot(self, function: Function) -> Iterator[None]:
        """One of the invocations under way. Raises TooManyRequests."""
        shares = function.reserved_concurrency is None
        self._check(function)
        self._by_function[function.name] += 1
        self._shared += shares
        try:
            yield
        finally:
            self._by_function[function.name] -= 1
            self._shared -= shares

    def running(self, function: Function) -> int:
        """How many invocations of a function are under way."""
        return self._by_function[function.name]

    def _check(self, function: Function) -> None:
        if function.reserved_concurrency is not None:
            if self._by_function[function.name] >= function.reserved_concurrency:
                raise TooManyRequests(ThrottleReason.RESERVED)
        elif self._shared >= min(self._limit, MINIMUM_UNRESERVED) and self._shared >= self._limit - self._reserved():
            raise TooManyRequests(ThrottleReason.ACCOUNT)
