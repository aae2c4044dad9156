"""Texts as numbers, compared with a reading that loops over characters."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packages.profile import text

NOTHING = np.zeros(0, dtype=np.uint32)
TEXTS = st.lists(st.text(st.sampled_from("abÄß0٣ \t-*漢😀Σ"), max_size=12), min_size=1, max_size=8)


def slowly(value: str) -> list[float]:
    count = max(len(value), 1)
    letters = sum(character.isalpha() for character in value)
    digits = sum(character.isdecimal() for character in value)
    spaces = sum(character.isspace() for character in value)
    upper = sum(character.isupper() for character in value)
    tokens = len(re.findall(r"[^\W_]+", value))
    other = len(value) - letters - digits - spaces
    shares = [part / count for part in (letters, digits, upper, spaces, other)]
    return [len(value), *shares, tokens, 1.0 if tokens else 0.0]


@given(TEXTS)
def test_the_measures_are_those_of_a_loop_over_characters(texts: list[str]) -> None:
    found = text.measure(text.read(texts), NOTHING)

    assert found.T.tolist() == [pytest.approx(slowly(value)) for value in texts]


@given(TEXTS)
def test_a_texts_measures_do_not_depend_on_what_is_read_with_it(texts: list[str]) -> None:
    together = text.measure(text.read(texts), NOTHING)
    hashes = text.text_hashes(text.read(texts))

    for place, value in enumerate(texts):
        assert text.measure(text.read([value]), NOTHING)[:, 0].tolist() == together[:, place].tolist()
        assert text.text_hashes(text.read([value]))[0] == hashes[place]


@given(TEXTS)
def test_different_texts_have_different_hashes(texts: list[str]) -> None:
    assert len(set(text.text_hashes(text.read(texts)).tolist())) == len(set(texts))


def test_a_token_is_known_in_any_case_and_with_any_digits_of_its_number() -> None:
    known = np.sort(text.shortened(text.tokenise(text.read(["ROUTE 0038"])).hashes))

    measures = text.measure(text.read(["route 9417", "route 12", "Oil Route 1234"]), known)

    unknown = text.MEASURES.index("unknown_tokens")
    assert measures[unknown].tolist() == [0.0, 0.5, pytest.approx(1 / 3)]


def test_hashes_are_the_same_in_every_process_and_on_every_machine() -> None:
    reading = text.read(["Tulip 42"])

    assert text.tokenise(reading).hashes.tolist() == [0x7B1629EDD34065AC, 0xB5ED97C28A83AC2A]
    assert text.text_hashes(reading).tolist() == [0x9EA9EE8874CA3FA9]


def test_texts_are_read_in_groups_of_bounded_size() -> None:
    texts = ["x" * 40, "y" * 70, "", "z" * 200, "w"]

    assert [list(group) for group in text.chunks(texts, characters=100)] == [
        texts[:1],
        texts[1:3],
        texts[3:4],
        texts[4:],
    ]
