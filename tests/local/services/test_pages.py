"""Answers in pages: every entry once, and a token that no answer gave is refused in the service's own words."""

from __future__ import annotations

import pytest

from local.services.pages import Pages

PAGES = Pages("NextToken", refusal=lambda token: LookupError(f"no such token: {token}"))


@pytest.mark.parametrize(("size", "expected"), [(2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_its_pages_hold_every_entry_once_and_the_last_has_no_token(size: int, expected: list[int]) -> None:
    entries = list("abcde")

    page, token = PAGES.cut(entries, {}, size=size)
    pages = [page]
    while token:
        page, token = PAGES.cut(entries, token, size=size)
        pages.append(page)

    assert [len(each) for each in pages] == expected
    assert [entry for each in pages for entry in each] == entries


def test_after_the_last_entry_there_is_nothing() -> None:
    assert PAGES.cut("abc", {"NextToken": "7"}, size=2) == ([], {})


@pytest.mark.parametrize("token", ["", "x", "-1", "1.5", "²"])
def test_a_token_that_no_answer_gave_is_refused(token: str) -> None:
    with pytest.raises(LookupError, match=f"no such token: {token}"):
        PAGES.cut("abc", {"NextToken": token}, size=2)
