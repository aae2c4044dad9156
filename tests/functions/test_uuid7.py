"""Inference ids are UUIDv7 as RFC 9562 says, rise strictly, and tell when they were made."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from uuid import RFC_4122, UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.uuid7 import InferenceIds, compose, time_of

EXAMPLE = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")  # RFC 9562, appendix A.6
EXAMPLE_MS = 0x017F22E279B0
EXAMPLE_BITS = 0xCC3 << 62 | 0x18C4DC0C0C07398F
LARGEST_BITS = (1 << 74) - 1


def test_the_example_of_the_rfc_is_composed() -> None:
    assert compose(unix_ms=EXAMPLE_MS, random_bits=EXAMPLE_BITS) == EXAMPLE


def test_the_time_of_the_rfc_example_is_read() -> None:
    assert time_of(EXAMPLE) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert time_of(str(EXAMPLE)).hour == 19


def test_an_id_of_another_version_has_no_time() -> None:
    with pytest.raises(ValueError, match="allowed: version 7"):
        time_of(uuid4())


@given(unix_ms=st.integers(0, (1 << 48) - 1), bits=st.integers(0, LARGEST_BITS))
def test_every_id_is_a_uuid_of_version_7_with_its_time(unix_ms: int, bits: int) -> None:
    made = InferenceIds(clock_ms=lambda: unix_ms, random_bits=lambda: bits)()

    identifier = UUID(made)
    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    assert identifier.int >> 80 == unix_ms
    assert identifier == compose(unix_ms=unix_ms, random_bits=bits)
    assert made == str(identifier)


@given(times=st.lists(st.integers(0, (1 << 47)), min_size=2), bits=st.integers(0, LARGEST_BITS))
def test_ids_rise_whatever_the_clock_does(times: list[int], bits: int) -> None:
    clock = iter(times)
    make_id = InferenceIds(clock_ms=lambda: next(clock), random_bits=lambda: bits)

    made = [make_id() for _ in times]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_a_millisecond_that_is_full_flows_over_into_the_next() -> None:
    make_id = InferenceIds(clock_ms=lambda: EXAMPLE_MS, random_bits=lambda: LARGEST_BITS)

    first, second = make_id(), make_id()

    assert UUID(second).int >> 80 == (UUID(first).int >> 80) + 1


def test_the_real_clock_and_the_real_randomness_give_ids_of_now() -> None:
    make_id = InferenceIds()

    made = [make_id() for _ in range(1000)]

    assert made == sorted(set(made))
    assert abs((datetime.now(tz=UTC) - time_of(made[0])).total_seconds()) < 60
