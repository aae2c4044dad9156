"""The tables of settings in docs/, made from the classes that read package.toml and cdk.json.

`python -m tests.settings_tables --write` writes them between their markers; the tests only compare.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local.truth_table import is_current, markdown_table
from model_packages.contract import json_schema
from tests.cdk.synth import CONTEXT

DOCS = Path(__file__).parents[1] / "docs"
MODEL_PACKAGES, ENVIRONMENTS = DOCS / "model-packages.md", DOCS / "environments.md"

Schema = Mapping[str, Any]
Key = tuple[str, Schema, bool]
"""A dotted key, the schema of its value, and whether it has to be there."""


def tables_of(document: Path) -> dict[str, str]:
    """The tables of one document by name."""
    return {"package-toml": package_table()} if document == MODEL_PACKAGES else {"settings": platform_table()}


def package_table() -> str:
    """Every key of package.toml."""
    rows = [
        (f"`{key}`", allowed(value), "required" if required else shown(value.get("default")), meaning(value))
        for key, value, required in keys(json_schema())
    ]
    return markdown_table(("Key", "Allowed", "Default", "Meaning"), rows)


def platform_table() -> str:
    """Every setting below `flyball` in cdk.json, and what it comes to in each environment of this checkout."""
    from cdk.settings import ENVIRONMENTS as NAMES  # noqa: PLC0415 - tests.cdk.synth says first which Node jsii takes
    from cdk.settings import PlatformSettings  # noqa: PLC0415

    chosen = [_settings_of(name) for name in NAMES]
    rows = [
        (f"`{key}`", allowed(value), *(shown(_at(key, settings)) for settings in chosen), meaning(value))
        for key, value, _ in keys(PlatformSettings.model_json_schema())
    ]
    return markdown_table(("Setting", "Allowed", *(f"`{name}`" for name in NAMES), "Meaning"), rows)


def keys(schema: Schema) -> Iterator[Key]:
    """Every key of a table and of the tables in it."""
    yield from _keys(schema, definitions=schema.get("$defs", {}), prefix="")


def _keys(schema: Schema, *, definitions: Mapping[str, Schema], prefix: str) -> Iterator[Key]:
    for name, value in schema["properties"].items():
        named = value.get("additionalProperties") or {}
        if "$ref" in value:
            section = definitions[value["$ref"].rpartition("/")[2]]
            yield from _keys(section, definitions=definitions, prefix=f"{prefix}{name}.")
        elif "$ref" in named:  # a table of tables, which the package names
            section = definitions[named["$ref"].rpartition("/")[2]]
            yield from _keys(section, definitions=definitions, prefix=f"{prefix}{name}.NAME.")
        else:
            yield f"{prefix}{name}", value, name in schema.get("required", ())


def allowed(value: Schema) -> str:
    """What a key takes, in words."""
    if "anyOf" in value:
        return " or ".join(allowed(choice) for choice in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    kind = value["type"]
    if kind in ("integer", "number"):
        return f"{kind}{_range(value)}"
    if kind in ("array", "object"):
        name, of = ("list", "items") if kind == "array" else ("table", "additionalProperties")
        return f"{name} of: {allowed(value[of])}"
    if kind == "string":
        return f"text{_form(value)}"
    return {"boolean": "`true`, `false`", "null": "nothing"}[kind]


def shown(default: object) -> str:
    """A default as it would be written."""
    return "nothing" if default is None else f"`{json.dumps(default)}`"


def meaning(value: Schema) -> str:
    """The docstring of the setting, on one line."""
    return " ".join(value["description"].split())


def _range(value: Schema) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    if low is not None:
        return f", {low:g} or more" if high is None else f", {low:,} to {high:,}"
    above, below = value.get("exclusiveMinimum"), value.get("exclusiveMaximum")
    if above is None:
        return ""
    ends = [f" and below {below:g}"] if below is not None else [f", to {high:g}"] if high is not None else []
    return "".join([f", above {above:g}", *ends])


def _form(value: Schema) -> str:
    if "pattern" in value:
        return f" like `{value['pattern']}`"
    longest = value.get("maxLength")
    return "" if longest is None else f", up to {longest} characters"


def _settings_of(environment: str) -> Mapping[str, Any]:
    from aws_cdk import App  # noqa: PLC0415 - as above

    from cdk.settings import read_settings  # noqa: PLC0415

    # Nobody is told about prod's alarms in this checkout, and the table must not say that somebody is.
    told = {**CONTEXT["flyball"], "alarm_email": "watch@example.com"}
    app = App(context={**CONTEXT, "flyball": told, "environment": environment})
    return read_settings(app.node).model_copy(update={"alarm_email": None}).model_dump(mode="json")


def _at(key: str, settings: Mapping[str, Any]) -> object:
    found: Any = settings
    for name in key.split("."):
        found = found[name]
    return found


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 where both documents are current, or have become so."""
    write = list(arguments) == ["--write"]
    behind = [path for path in (MODEL_PACKAGES, ENVIRONMENTS) if not is_current(path, tables_of(path), write=write)]
    for path in behind:
        print(f"docs/{path.name} is behind the code; `python -m tests.settings_tables --write` writes its table")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
