"""A package's formats as one object, and the hash that says whether two versions speak the same format."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types
import pytest
from pydantic import Field, create_model

import model_packages
from model_packages.errors import PackageError
from model_packages.fields import Image, Payload, Tensor, Unit
from model_packages.interface import Interface, load_interface

HEADER = "from model_packages.fields import Payload\n"
ANSWERS = "class Response(Payload):\n    x: float\nclass Label(Payload):\n    x: float\n"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose subfolders import as packages of model_packages."""
    before = set(sys.modules)
    monkeypatch.setattr(model_packages, "__path__", [*model_packages.__path__, str(tmp_path)])
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write_schema(packages: Path, name: str, code: str) -> None:
    (packages / name).mkdir()
    (packages / name / "schema.py").write_text(code)


def payload(name: str, **fields: Any) -> type[Payload]:
    made: type[Payload] = create_model(name, __base__=Payload, **fields)
    return made


def interface(annotation: Any, default: Any = ..., *, answer: Any = float, label: Any = float) -> Interface:
    return Interface(
        package="example",
        request=payload("Request", field=(annotation, default)),
        response=payload("Response", answer=(answer, ...)),
        label=payload("Label", answer=(label, ...)),
    )


Size = Annotated[float, Field(ge=0.0, le=10.0, description="how large"), Unit("mm")]
REFERENCE = interface(Size)


@pytest.mark.parametrize(
    ("name", "schema_hash"), [("digits", "28e041fbb3d7"), ("payments", "3f93dbd1a6b1"), ("tumours", "8c1719fae026")]
)
def test_a_shipped_schema_has_the_hash_it_was_shipped_with(name: str, schema_hash: str) -> None:
    """After a change on purpose, change the hash here too: versions of the old schema have to be trained again."""
    assert load_interface(name).schema_hash == schema_hash


@pytest.mark.parametrize(
    "same",
    [
        interface(Annotated[float, Field(ge=0.0, le=10.0, description="something else"), Unit("mm")]),
        interface(Annotated[float, Field(ge=0.0, le=10.0), Unit("mm")]),
        interface(Annotated[float, Field(ge=0, le=10), Unit("mm")]),
        interface(Annotated[float, Unit("mm"), Field(ge=0.0), Field(le=10.0)]),
        interface(Annotated[float, annotated_types.Interval(ge=0, le=10), Unit("mm")]),
    ],
)
def test_what_a_caller_cannot_notice_keeps_the_hash(same: Interface) -> None:
    assert same.schema_hash == REFERENCE.schema_hash


@pytest.mark.parametrize(
    "other",
    [
        interface(Annotated[float, Field(ge=0.0, le=11.0), Unit("mm")]),
        interface(Annotated[float, Field(ge=0.0), Unit("mm")]),
        interface(Annotated[float, Field(ge=0.0, le=10.0), Unit("cm")]),
        interface(Annotated[float, Field(ge=0.0, le=10.0)]),
        interface(Annotated[int, Field(ge=0, le=10), Unit("mm")]),
        interface(Size | None),
        interface(Size, 1.0),
        interface(Annotated[float, Field(gt=0.0, le=10.0), Unit("mm")]),
        interface(Annotated[float, Field(ge=0.0, lt=10.0), Unit("mm")]),
        interface(Annotated[float, Field(ge=0.0, le=10.0, multiple_of=0.5), Unit("mm")]),
        interface(Size, answer=int),
        interface(Size, label=int),
    ],
)
def test_what_a_caller_can_notice_changes_the_hash(other: Interface) -> None:
    assert other.schema_hash != REFERENCE.schema_hash


def test_the_value_of_a_default_counts() -> None:
    hashes = {interface(Size | None, default).schema_hash for default in (..., None, 0.0, 1.0, 1.5)}

    assert len(hashes) == 5
    assert interface(str | None, "").schema_hash != interface(str | None, None).schema_hash
    assert interface(bool, default=False).schema_hash != interface(bool, default=True).schema_hash


def test_a_default_counts_as_the_number_it_is() -> None:
    assert interface(Size, 1).schema_hash == interface(Size, 1.0).schema_hash


def test_large_integers_that_a_float_would_round_count() -> None:
    one, other = (interface(Annotated[int, Field(le=bound)]).schema_hash for bound in (2**53, 2**53 + 1))

    assert one != other


def test_categories_shapes_dtypes_lengths_and_patterns_each_count() -> None:
    variants = [
        Literal["red", "green"],
        Literal["green", "red"],
        Literal["red", "green", "blue"],
        str,
        Annotated[str, Field(max_length=9)],
        Annotated[str, Field(min_length=9)],
        Annotated[str, Field(pattern="^a")],
        Annotated[str, Field(pattern="^b")],
        Annotated[list[float], Tensor(shape=(2,))],
        Annotated[list[float], Tensor(shape=(3,))],
        Annotated[list[int], Tensor(shape=(2,), dtype="int64")],
        Annotated[list[list[float]] | str, Image(shape=(2, 2))],
        Annotated[list[list[float]] | str, Image(shape=(2, 2), maximum=1.0)],
    ]

    assert len({interface(variant).schema_hash for variant in variants}) == len(variants)


def test_the_order_of_fields_counts_because_models_may_rely_on_it() -> None:
    answers = {"response": payload("Response", x=(float, ...)), "label": payload("Label", x=(float, ...))}
    one = Interface(package="example", request=payload("Request", a=(float, ...), b=(float, ...)), **answers)
    other = Interface(package="example", request=payload("Request", b=(float, ...), a=(float, ...)), **answers)

    assert one.schema_hash != other.schema_hash


def test_a_loaded_interface_holds_the_packages_own_classes_and_fields() -> None:
    loaded = load_interface("digits")

    assert loaded.request.model_fields.keys() == {"image"}
    assert [field.name for field in loaded.request_fields] == ["image"]
    assert [field.name for field in loaded.response_fields] == ["digit", "probabilities"]
    assert [field.name for field in loaded.label_fields] == ["digit"]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_this_name\n", r"schema\.py: import: found ModuleNotFoundError: .*; allowed: a module that"),
        ("1 / 0\n", r"schema\.py: import: found ZeroDivisionError: .*; allowed: a module that imports with pydantic"),
        (HEADER + ANSWERS, r"schema\.py: Request: found nothing; allowed: class Request\(Payload\)"),
        (HEADER + ANSWERS + "class Request: ...\n", r"schema\.py: Request: found <class .*; allowed: class Request"),
        (HEADER + ANSWERS + "Request = 1\n", r"schema\.py: Request: found 1; allowed: class Request\(Payload\)"),
        (
            HEADER + ANSWERS + "class Request(Payload):\n    instances: float\n",
            r"schema\.py: Request\.instances: found a reserved name; allowed: any other name",
        ),
    ],
)
def test_a_schema_that_breaks_the_contract_is_named(packages: Path, code: str, problem: str) -> None:
    write_schema(packages, "example", code)

    with pytest.raises(PackageError, match=problem):
        load_interface("example")


def test_a_field_outside_the_vocabulary_is_named(packages: Path) -> None:
    write_schema(packages, "example", HEADER + ANSWERS + "class Request(Payload):\n    tags: list[str]\n")

    with pytest.raises(PackageError, match=r"example/schema\.py: Request\.tags: found list; allowed: float, int, bool"):
        _ = load_interface("example").schema_hash
