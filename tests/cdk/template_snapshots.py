"""The templates as they were last agreed on, without what changes with every edit of packed code.

`python -m tests.cdk.template_snapshots` writes them anew; the tests only compare.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from tests.cdk.synth import Assembly, Workshop, sample_packages

FOLDER = Path(__file__).with_name("snapshots")


def normalised(assembly: Assembly, stack: str) -> str:
    """A template as text, with each asset's hash (and the version that is named after one) replaced by a word."""
    text = json.dumps(assembly.template(stack), indent=1) + "\n"
    return re.sub(r"\binitial-[0-9a-f]{12}\b", "initial-HASH", re.sub(r"\b[0-9a-f]{64}\b", "HASH", text))


def update() -> None:
    """Writes the snapshot of every stack of the sample packages, and removes those of stacks that are gone."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        assembly = workshop.synthesize(sample_packages(workshop))
        for stack in assembly.stacks:
            (FOLDER / f"{stack}.json").write_text(normalised(assembly, stack), encoding="utf-8")


if __name__ == "__main__":
    update()
