"""An empty account with CloudFormation in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.services.cloudformation.bench import Bench, FakeServices, Kept, running_bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    with running_bench(FakeServices(), Kept()) as bench:
        yield bench
