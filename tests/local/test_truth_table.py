"""The truth table: how it is worded, and that nothing is deployed or called that it does not name."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from local.api_table import API_TABLE, ServiceTable
from local.deploy.check import property_paths
from local.deploy.handlers import SupportedType
from local.deploy.registry import supported
from local.truth_table import filled, is_current, operations_table, resources_table
from model_packages.errors import OperatorError

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "tests" / "cdk" / "snapshots").glob("*.json"))
PARTS = (ROOT / "local" / "cloud.py", ROOT / "local" / "parts.py")
TABLES = {"api_table.py", "api_calls.py"}
READ_TOGETHER = (
    *(
        [path]
        for path in sorted((ROOT / "local").rglob("*.py"))
        if "services" not in path.parts and path.name not in TABLES
    ),
    *([path, *PARTS] for path in sorted((ROOT / "local" / "services").rglob("*.py"))),
    *(sorted(folder.glob("*.py")) for folder in sorted((ROOT / "functions").iterdir()) if folder.is_dir()),
)
"""A client is often made in one file, where its service is named, and called in another."""
OTHER_METHODS = {
    "sagemaker:Search": "a regular expression's method",
    "events:DescribeEndpoint": "SageMaker's call, beside the key `events` of a page of log lines",
    "events:UpdateEndpoint": "the same",
}
"""Names that are found and are no calls of the service, with what they are."""


def test_a_row_lists_what_is_real_and_gathers_names_with_the_same_sentence() -> None:
    types = [SupportedType("AWS::X::Y", ("B", "A"), {"D": "stored", "C": "stored", "E": "never | ever"})]

    lines = resources_table(types).splitlines()

    assert lines[2:] == [r"| `AWS::X::Y` | A, B | **C, D**: stored<br>**E**: never \| ever |"]


def test_a_service_without_simulated_operations_has_a_dash_for_them() -> None:
    table = operations_table({"sts": ServiceTable(real=frozenset({"GetCallerIdentity"}))})

    assert table.splitlines()[-1] == "| `sts` | GetCallerIdentity | - |"


def test_a_table_is_put_between_its_markers_and_nothing_else_is_touched() -> None:
    text = "before\n<!-- table: one -->\nold\n<!-- end -->\nafter\n<!-- table: two -->\n<!-- end -->\n"

    found = filled(text, {"one": "| 1 |\n", "two": "| 2 |\n"})

    assert found == text.replace("old", "| 1 |").replace("two -->\n", "two -->\n| 2 |\n")


@pytest.mark.parametrize("text", ["no markers", "<!-- table: one -->\n<!-- end -->\n" * 2])
def test_missing_and_doubled_markers_are_an_error(text: str) -> None:
    with pytest.raises(OperatorError, match="table markers"):
        filled(text, {"one": ""})


def test_only_writing_changes_a_document(tmp_path: Path) -> None:
    document = tmp_path / "DOCUMENT.md"
    document.write_text("<!-- table: one -->\nold\n<!-- end -->\n", encoding="utf-8")

    before = is_current(document, {"one": "new\n"}, write=False), document.read_text(encoding="utf-8")
    after = is_current(document, {"one": "new\n"}, write=True), document.read_text(encoding="utf-8")

    assert before == (False, "<!-- table: one -->\nold\n<!-- end -->\n")
    assert after == (True, "<!-- table: one -->\nnew\n<!-- end -->\n")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_property_that_the_templates_deploy_has_a_place_in_the_table(template: Path) -> None:
    rows = {row.resource_type: row for row in supported()}
    resources: Mapping[str, Any] = json.loads(template.read_text(encoding="utf-8"))["Resources"]

    unnamed = {
        f"{resource['Type']}: {'.'.join(path)}"
        for resource in resources.values()
        for path in property_paths(resource.get("Properties", {}))
        if not _names(rows.get(_row_of(resource["Type"])), ".".join(path))
    }

    assert unnamed == set()


def test_every_call_that_the_code_makes_is_one_that_the_local_cloud_answers() -> None:
    calls = {call for files in READ_TOGETHER for call in _calls_in(files)}

    refused = {f"{service}:{operation}" for service, operation in calls if API_TABLE[service].how(operation) is None}

    assert refused == OTHER_METHODS.keys()
    assert calls >= {
        ("sagemaker-runtime", "InvokeEndpoint"),
        ("ssm", "PutParameter"),
        ("s3", "PutObject"),
        ("logs", "FilterLogEvents"),
        ("sagemaker", "CreateEndpointConfig"),
        ("lambda", "Invoke"),
        ("apigateway", "GetResources"),
    }


def _row_of(resource_type: str) -> str:
    return "Custom::*" if resource_type.startswith("Custom::") else resource_type


def _names(row: SupportedType | None, path: str) -> bool:
    """Whether the row names the property, something that it is a part of, or something that is a part of it."""
    named = () if row is None else (*row.implemented, *row.simulated)
    return any(name in ("*", path) or path.startswith(f"{name}.") or name.startswith(f"{path}.") for name in named)


def _calls_in(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """(service, operation) of each name in the files that is an operation of a service which the files name.

    More is found than is called: a name may be a method of something else. What is called is never missed, as long as
    the service and the operation are written out.
    """
    words = {word for path in files for word in _words_in(path)}
    for service in words & API_TABLE.keys():
        yield from ((service, operation) for name, operation in _operations(service).items() if name in words)


def _words_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def _operations(service: str) -> Mapping[str, str]:
    """Operations by the names that they have as methods of a client."""
    return {xform_name(name): name for name in _session().get_service_model(service).operation_names}


@cache
def _session() -> Any:
    return botocore.session.Session()
