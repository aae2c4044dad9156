"""The documentation keeps up with the code: its tables, links, examples, and the commands that it names."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

import cli
from local import truth_table
from model_packages.contract import PackageConfig
from model_packages.fields import Kind, describe
from tests import settings_tables
from tests.documents import ROOT, Document, documents

DOCUMENTS = documents()
PARSERS: Mapping[str, Callable[[str], object]] = {"python": ast.parse, "toml": tomllib.loads, "json": json.loads}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=str)


def test_the_truth_table_is_what_the_local_cloud_implements() -> None:
    tables = truth_table.truth_tables()

    is_current = truth_table.is_current(truth_table.DOCUMENT, tables, write=False)

    assert is_current, "run `python -m local.truth_table --write` and review the difference"


@pytest.mark.parametrize(
    "path", [settings_tables.MODEL_PACKAGES, settings_tables.ENVIRONMENTS], ids=lambda path: str(path.name)
)
def test_a_table_of_settings_is_what_the_code_reads(path: Path) -> None:
    tables = settings_tables.tables_of(path)

    is_current = truth_table.is_current(path, tables, write=False)

    assert is_current, "run `python -m tests.settings_tables --write` and review the difference"


def test_the_example_package_keeps_the_contract(tmp_path: Path) -> None:
    document = Document(settings_tables.MODEL_PACKAGES)
    schema, package = _first(document, "python"), _first(document, "toml")
    examples, record = (json.loads(content) for language, content in document.blocks if language == "json")

    classes = _run(schema, tmp_path)

    assert PackageConfig.model_validate(tomllib.loads(package)).endpoint.maximum_instances == 2
    for name, content in [*record.items(), *((name, example[name]) for example in examples for name in example)]:
        if payload := classes.get(name.capitalize()):
            payload.model_validate_json(json.dumps(content))
    assert {kind.kind for kind in describe(classes["Request"])} == {Kind.NUMERIC, Kind.INTEGER, Kind.CATEGORY}


def test_the_vocabulary_is_what_the_fields_are(tmp_path: Path) -> None:
    text, _, _ = Document(settings_tables.MODEL_PACKAGES).text.partition("## inference.py")
    rows = re.findall(rf"^\| `(.+)` \| ({'|'.join(Kind)}) \| ", text, re.MULTILINE)
    fields = [f"    field_{index}: {row[0]}".replace(r"\|", "|") for index, row in enumerate(rows)]
    imports = "from typing import *\nfrom model_packages.fields import *"

    payload = _run("\n".join([imports, "class Request(Payload):", *fields]), tmp_path)["Request"]

    assert [str(field.kind) for field in describe(payload)] == [kind for _, kind in rows]
    assert {kind for _, kind in rows} == set(Kind)


@every_document
def test_links_lead_to_files_and_headings_that_exist(document: Document) -> None:
    inside = [link for link in document.links if not re.match(r"[a-z]+:", link)]

    broken = [link for link in inside if not _resolves(document, link)]

    assert broken == []


@every_document
def test_examples_can_be_parsed(document: Document) -> None:
    for language, content in document.blocks:
        if language in PARSERS:
            PARSERS[language](content)


@every_document
def test_every_fenced_block_says_its_language_or_is_a_drawing(document: Document) -> None:
    unknown = {language for language, _ in document.blocks} - {"", "sh", *PARSERS}

    assert unknown == set()


@every_document
def test_flyball_commands_exist_with_the_options_that_are_shown(document: Document) -> None:
    wrong = [words for words in _commands(document, "flyball") if not _is_flyball_command(words)]

    assert wrong == []


@every_document
def test_make_targets_exist(document: Document) -> None:
    wrong = [words for words in _commands(document, "make") if words and words[0] not in TARGETS]

    assert wrong == []


def test_the_documents_name_every_command_of_the_command_line() -> None:
    named = {words[0] for document in DOCUMENTS for words in _commands(document, "flyball") if words}

    assert set(_command_group().commands) - named == set()


def _first(document: Document, language: str) -> str:
    return next(content for found, content in document.blocks if found == language)


def _run(code: str, folder: Path) -> dict[str, Any]:
    """The names that a module defines."""
    path = folder / "example.py"
    path.write_text(code, encoding="utf-8")
    return runpy.run_path(str(path))


def _resolves(document: Document, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (document.path.parent / file).resolve() if file else document.path
    if not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in Document(target).anchors)


def _commands(document: Document, program: str) -> Iterator[list[str]]:
    """What follows the program's name, wherever code begins with it or calls it after another command."""
    for code in document.code:
        for part in re.split(r"&&|\|\|?|;|(?<!\S)# ", code):
            words = part.split()
            if words and re.fullmatch(rf"(\S*/)?{program}", words[0]):
                yield shlex.split(" ".join(words[1:]))


def _is_flyball_command(words: list[str]) -> bool:
    """Whether the first word is a command, and each option is one of its own or of every command's."""
    group = _command_group()
    command = group.commands.get(words[0]) if words else group
    if command is None:
        return False
    parameters = [*group.params, *command.params]
    options = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    return {word.partition("=")[0] for word in words if word.startswith("--")} <= options | {"--help"}


def _command_group() -> TyperGroup:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    return group
