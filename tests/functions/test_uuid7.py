"""Inference ids are UUIDv7 as RFC 9562 says, rise strictly, and tell when they were made and by whom."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from uuid import RFC_4122, UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.uuid7 import CHANCE_BITS, InferenceIds, Issuer, compose, share_of, time_of

EXAMPLE = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")  # RFC 9562, appendix A.6
EXAMPLE_MS = 0x017F22E279B0
EXAMPLE_BITS = 0xCC3 << 62 | 0x18C4DC0C0C07398F
LARGEST_CHANCE = (1 << CHANCE_BITS) - 1
ISSUER = Issuer("flowers/flyball-flowers")


def test_the_example_of_the_rfc_is_composed() -> None:
    assert compose(unix_ms=EXAMPLE_MS, random_bits=EXAMPLE_BITS) == EXAMPLE


def test_the_time_of_the_rfc_example_is_read() -> None:
    assert time_of(EXAMPLE) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert time_of(str(EXAMPLE)).hour == 19


def test_an_id_of_another_version_has_no_time() -> None:
    with pytest.raises(ValueError, match="allowed: version 7"):
        time_of(uuid4())


@given(unix_ms=st.integers(0, (1 << 48) - 1), bits=st.integers(0, LARGEST_CHANCE))
def test_every_id_is_a_uuid_of_version_7_with_its_time(unix_ms: int, bits: int) -> None:
    made = InferenceIds(ISSUER, clock_ms=lambda: unix_ms, chance_bits=lambda: bits)()

    identifier = UUID(made)
    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    assert identifier.int >> 80 == unix_ms
    assert identifier == compose(unix_ms=unix_ms, random_bits=ISSUER.seal(unix_ms, bits))
    assert made == str(identifier)


@given(times=st.lists(st.integers(0, (1 << 47)), min_size=2), bits=st.integers(0, LARGEST_CHANCE))
def test_ids_rise_whatever_the_clock_does(times: list[int], bits: int) -> None:
    clock = iter(times)
    make_id = InferenceIds(ISSUER, clock_ms=lambda: next(clock), chance_bits=lambda: bits)

    made = [make_id() for _ in times]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_an_id_is_of_the_time_that_it_is_asked_for() -> None:
    make_id = InferenceIds(ISSUER, clock_ms=lambda: 0)

    assert time_of(make_id(EXAMPLE_MS)) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_a_millisecond_that_is_full_flows_over_into_the_next() -> None:
    make_id = InferenceIds(ISSUER, clock_ms=lambda: EXAMPLE_MS, chance_bits=lambda: LARGEST_CHANCE)

    first, second = make_id(), make_id()

    assert UUID(second).int >> 80 == (UUID(first).int >> 80) + 1


def test_the_real_clock_and_the_real_randomness_give_ids_of_now() -> None:
    make_id = InferenceIds(ISSUER)

    made = [make_id() for _ in range(1000)]

    assert made == sorted(set(made))
    assert abs((datetime.now(tz=UTC) - time_of(made[0])).total_seconds()) < 60


@given(unix_ms=st.integers(0, (1 << 48) - 1), bits=st.integers(0, LARGEST_CHANCE))
def test_an_issuer_knows_its_own_ids(unix_ms: int, bits: int) -> None:
    made = UUID(InferenceIds(ISSUER, clock_ms=lambda: unix_ms, chance_bits=lambda: bits)())

    assert ISSUER.made(made)
    assert not Issuer("digits/flyball-digits").made(made)


@given(unix_ms=st.integers(0, (1 << 48) - 1), bits=st.integers(0, LARGEST_CHANCE), place=st.integers(0, 127))
def test_one_wrong_bit_makes_an_id_unknown(unix_ms: int, bits: int, place: int) -> None:
    made = UUID(InferenceIds(ISSUER, clock_ms=lambda: unix_ms, chance_bits=lambda: bits)())

    assert not ISSUER.made(UUID(int=made.int ^ 1 << place))


def test_a_made_up_id_is_unknown() -> None:
    made_up = [compose(unix_ms=EXAMPLE_MS, random_bits=number << 20 | 0xABCDE) for number in range(20_000)]

    assert not any(map(ISSUER.made, made_up))
    assert not ISSUER.made(uuid4())


def test_an_id_s_share_is_the_same_each_time_and_evenly_spread() -> None:
    make_id = InferenceIds(ISSUER)
    made = [make_id() for _ in range(20_000)]

    shares = [share_of(identifier) for identifier in made]

    assert shares == [share_of(identifier) for identifier in made]
    assert 0.0 <= min(shares) < max(shares) < 1.0
    for limit in (0.1, 0.5, 0.9):
        assert sum(share < limit for share in shares) / len(shares) == pytest.approx(limit, abs=0.02)
