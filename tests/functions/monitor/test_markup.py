"""Nothing becomes markup that was text."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.monitor.markup import element, joined, style_sheet


def test_what_is_not_markup_is_escaped_where_it_is_put_in() -> None:
    built = element("p", 'a < b & "c"', element("b", 1), None, ["x", ["<y>"]], class_="it's", data_head='"')

    assert built == ('<p class="it&#x27;s" data-head="&quot;">a &lt; b &amp; &quot;c&quot;<b>1</b>x&lt;y&gt;</p>')


def test_attributes_without_a_value_and_elements_without_content() -> None:
    assert (
        element("rect", x=1.0, y=0.333333333, hidden=True, id=None, open=False) == '<rect x="1" y="0.333333" hidden/>'
    )


def test_text_that_only_looks_like_markup_stays_text_when_joined_again() -> None:
    assert joined(joined("<i>"), "<i>") == "&lt;i&gt;&lt;i&gt;"


@given(st.text())
def test_no_text_opens_an_element_or_ends_an_attribute(text: str) -> None:
    built = element("p", text, title=text)

    inner = built.removeprefix('<p title="').removesuffix("</p>")
    title, content = inner.split('">', 1)
    assert not set(title + content) & {"<", ">", '"', "'"}
    assert unescape(title) == unescape(content)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x85", "\u202e", "\u2066", "\u200f", "\ud800", "\uffff"])
def test_characters_that_html_forbids_or_that_turn_the_text_round_are_shown_as_replaced(character: str) -> None:
    assert element("p", f"a{character}b") == "<p>a\ufffdb</p>"


def test_a_style_sheet_cannot_end_its_own_element() -> None:
    with pytest.raises(ValueError, match="could end its element"):
        style_sheet("</style><script>")
