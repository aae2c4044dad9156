"""The pages of Step Functions' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.services.pages import Pages
from local.services.states.failures import StatesRefused

DEFAULT_PAGE: Final = 100
PAGES: Final = Pages("nextToken", refusal=lambda token: StatesRefused("InvalidToken", f"Invalid Token: '{token}'"))


def page(member: str, entries: Sequence[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The page that a call asks for.

    Raises: StatesRefused for a token that is none.
    """
    shown, token = PAGES.cut(entries, arguments, size=arguments.get("maxResults") or DEFAULT_PAGE)
    return {member: shown, **token}
