"""Physical names as CloudFormation gives them: `<stack>-<logical id>-<twelve characters>`, within a service's limit.

The twelve characters are drawn from the stack's id, the logical id and a generation number, so that the same
deployments give the same names and a replacement gets a new one.
"""

from __future__ import annotations

import hashlib
import string
import uuid
from dataclasses import dataclass

_ALPHABET = string.ascii_uppercase + string.digits
_SUFFIX_LENGTH = 12


@dataclass(frozen=True)
class Identity:
    """Which resource of which stack; `generation` counts the physical resources that stood for it."""

    stack_name: str
    stack_id: str
    logical_id: str
    resource_type: str
    generation: int = 0

    def name(self, *, limit: int = 128, lower_case: bool = False) -> str:
        """A physical name of at most `limit` characters."""
        room = limit - _SUFFIX_LENGTH - 1
        logical_id = self.logical_id[: max(room // 2, room - len(self.stack_name) - 1)]
        stack_name = self.stack_name[: room - len(logical_id) - 1]
        name = f"{stack_name}-{logical_id}-{self._suffix()}"
        return name.lower() if lower_case else name

    def _suffix(self) -> str:
        seed = f"{self.stack_id}/{self.logical_id}/{self.generation}"
        return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in hashlib.sha256(seed.encode()).digest()[:12])


def stack_id(*, stack_name: str, account: str, region: str, incarnation: int) -> str:
    """A stack's ARN; `incarnation` counts the stacks that bore the name."""
    unique = uuid.uuid5(uuid.NAMESPACE_URL, f"{account}/{region}/{stack_name}/{incarnation}")
    return f"arn:aws:cloudformation:{region}:{account}:stack/{stack_name}/{unique}"
