"""The pages of CloudWatch's answers, dashboards apart, whose tokens are names."""

from __future__ import annotations

from typing import Final

from local.services.cloudwatch.errors import InvalidNextToken
from local.services.pages import Pages

PAGES: Final = Pages("NextToken", refusal=lambda token: InvalidNextToken(f"NextToken {token} was given by no answer"))
