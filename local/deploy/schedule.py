"""Runs work that depends on other work: each piece after those that it needs, the others at the same time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

T = TypeVar("T")


def run_in_order(needs: Mapping[str, Collection[str]], work: Callable[[str], T], *, at_a_time: int) -> Mapping[str, T]:
    """What `work(name)` returned for each name, in threads.

    Raises what the first failing piece raised; what was under way then is finished first, and nothing else is begun.
    """
    order = TopologicalSorter(needs)
    order.prepare()
    running: dict[Future[T], str] = {}
    results: dict[str, T] = {}
    with ThreadPoolExecutor(at_a_time, thread_name_prefix="deploy") as threads:
        while order.is_active():
            running |= {threads.submit(work, name): name for name in order.get_ready()}
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                results[name] = _result(future, running)
                order.done(name)
    return results


def _result(future: Future[T], running: Mapping[Future[T], str]) -> T:
    try:
        return future.result()
    except BaseException:
        for other in running:
            other.cancel()
        raise
