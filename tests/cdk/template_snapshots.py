"""The templates as they were last agreed on, without what changes with every edit of packed code; of other settings,
only how their templates differ.

`python -m tests.cdk.template_snapshots` writes them anew; the tests only compare.
"""

from __future__ import annotations

import json
import re
import tempfile
from difflib import unified_diff
from pathlib import Path
from typing import Any

from tests.cdk.synth import VARIATIONS, Assembly, Workshop, sample_packages

FOLDER = Path(__file__).with_name("snapshots")


def normalised(assembly: Assembly, stack: str) -> str:
    """A template as text, with each asset's hash (and the version that is named after one) replaced by a word."""
    return _text(assembly.template(stack))


def spelled(value: Any) -> Any:
    """A part of a template with its references written into its texts: "arn:${AWS::Partition}:..."."""
    match value:
        case {"Fn::Join": ["", list(parts)]} if len(value) == 1:
            texts = [spelled(part) for part in parts]
            return "".join(texts) if all(isinstance(text, str) for text in texts) else {"Fn::Join": ["", texts]}
        case dict():
            return _reference(value) or {key: spelled(each) for key, each in value.items()}
        case list():
            return [spelled(each) for each in value]
        case _:
            return value


def _reference(value: dict[str, Any]) -> str | None:
    """None where the value is none."""
    match list(value.items()):
        case [("Ref" | "Fn::ImportValue", name)]:
            return f"${{{name}}}"
        case [("Fn::GetAtt", [name, attribute])]:
            return f"${{{name}.{attribute}}}"
        case [("Fn::Sub", str(text))]:
            return text
    return None


def _text(template: Any) -> str:
    return _without_hashes(json.dumps(_in_order(template), indent=1) + "\n")


def _in_order(value: Any) -> Any:
    """CDK sorts what a statement allows by its text, and so by hashes: here it is sorted by the word for them."""
    match value:
        case {"Resource": list(resources)}:
            in_order = sorted(resources, key=lambda each: _without_hashes(json.dumps(each)))
            return {key: in_order if key == "Resource" else each for key, each in value.items()}
        case dict():
            return {key: _in_order(each) for key, each in value.items()}
        case list():
            return [_in_order(each) for each in value]
        case _:
            return value


def _without_hashes(text: str) -> str:
    return re.sub(r"\binitial-[0-9a-f]{12}\b", "initial-HASH", re.sub(r"\b[0-9a-f]{64}\b", "HASH", text))


def difference(assembly: Assembly, variation: Assembly) -> str:
    """What a variation's templates have otherwise than the sample's, line by line."""
    lines: list[str] = []
    for stack in assembly.stacks:
        before, after = (_text(spelled(each.template(stack))).splitlines() for each in (assembly, variation))
        lines += unified_diff(before, after, f"a/{stack}", f"b/{stack}", n=0, lineterm="")
    # Where in a file a line stands changes with every edit above it.
    return "".join(f"{'@@' if line.startswith('@@') else line}\n" for line in lines)


def update() -> None:
    """Writes the snapshot of every stack of the sample packages, and removes those of stacks that are gone."""
    FOLDER.mkdir(exist_ok=True)
    for path in (*FOLDER.glob("*.json"), *FOLDER.glob("*.diff")):
        path.unlink()
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        packages = sample_packages(workshop)
        assembly = workshop.synthesize(packages)
        for stack in assembly.stacks:
            (FOLDER / f"{stack}.json").write_text(normalised(assembly, stack), encoding="utf-8")
        for name, settings in VARIATIONS.items():
            variation = workshop.synthesize(packages, out=name, **settings)
            (FOLDER / f"{name}.diff").write_text(difference(assembly, variation), encoding="utf-8")


if __name__ == "__main__":
    update()
