"""HTML and SVG as values that cannot be wrong in one way: whatever is not markup already is escaped when it is put in.

No template language: the Lambda has none, and a report is a few dozen elements.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"meta", "br", "hr", "rect", "line", "circle", "polyline", "path", "col"})
"""Elements without content. SVG's are closed like XML's, which HTML allows."""


class Markup(str):
    """Text that is markup; only this module makes it."""

    __slots__ = ()


Value = str | float | bool | None
Content = str | int | Markup | None | Iterable["Content"]


def element(name: str, /, *content: Content, **attributes: Value) -> Markup:
    """`<name attribute="...">content</name>`. An underscore at an attribute's end is dropped, one within is a hyphen.

    None and False leave an attribute out; True gives it no value. None as content is nothing.
    """
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{joined(*content)}</{name}>")


def joined(*content: Content) -> Markup:
    """One after the other."""
    return Markup("".join(map(_markup, content)))


def style_sheet(text: str) -> Markup:
    """The one content that is not escaped, because no browser would read it so: a style of our own."""
    if "<" in text:
        raise ValueError("a style sheet with '<' could end its element: leave the character out")
    return Markup(f"<style>{text}</style>")


def _markup(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return escape(_printable(str(content)))
    return "".join(map(_markup, content))


def _attribute(name: str, value: Value) -> str:
    key = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {key}"
    text = f"{value:.6g}" if isinstance(value, float) else _printable(str(value))
    return f' {key}="{escape(text)}"'


def _printable(text: str) -> str:
    """Characters that HTML forbids, and those that turn the direction of what follows, are shown as a replacement."""
    return "".join("�" if _is_unsafe(character) else character for character in text)


def _is_unsafe(character: str) -> bool:
    code = ord(character)
    is_control = (code < 0x20 and character not in "\t\n") or 0x7F <= code < 0xA0
    turns_direction = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or code in (0x200E, 0x200F)
    return is_control or turns_direction or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF)
