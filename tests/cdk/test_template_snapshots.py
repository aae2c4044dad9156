"""No template changes unseen: `make snapshots` accepts a change, and the review shows it."""

from __future__ import annotations

import re

from tests.cdk.synth import Assembly
from tests.cdk.template_snapshots import FOLDER, difference, normalised

HOW_TO_ACCEPT = "run `python -m tests.cdk.template_snapshots` (make snapshots) and review the difference"


def test_templates_are_those_that_were_last_agreed_on(assembly: Assembly) -> None:
    agreed = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}

    found = {stack: normalised(assembly, stack) for stack in assembly.stacks}

    assert found == agreed, HOW_TO_ACCEPT


def test_other_settings_change_what_was_last_agreed_on(assembly: Assembly, variations: dict[str, Assembly]) -> None:
    agreed = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.diff")}

    found = {name: difference(assembly, variation) for name, variation in variations.items()}

    assert found == agreed, HOW_TO_ACCEPT


def test_a_snapshot_holds_no_hash_of_packed_code(assembly: Assembly) -> None:
    for stack in assembly.stacks:
        assert not re.search(r"[0-9a-f]{64}", normalised(assembly, stack))
