"""A package's input and output formats, loaded from its `schema.py`: the one object that the gateway, the container
and the documentation share. Importing user code happens here and only when asked.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from model_packages.errors import PackageError, PackageProblem
from model_packages.fields import FieldSpec, Kind, Payload, UnsupportedAnnotation, describe

SCHEMA_CLASSES = ("Request", "Response", "Label")
BOUNDS = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "multiple_of")
RESERVED_FIELD = "instances"
"""A body with this key holds many requests, so no request may have a field of this name."""

IMAGE_UNREADABLE, JSON_INVALID = "image_unreadable", "json_invalid"
FOUND_BEHIND_THE_EDGE = frozenset({IMAGE_UNREADABLE, JSON_INVALID})
"""The codes of a caller's mistakes that the gateway cannot see and the container can: the gateway decodes no image,
and its JSON parser lets pass what a repeated key hides. Whatever else the container refuses, the two disagree.
"""

Predict = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]
"""Requests in, responses out, through the whole inference path: what behaviours and evaluate() are handed."""


@dataclass(frozen=True)
class Interface:
    """What goes in and out of one model package. `label` is the truth about a prediction, sent later as feedback."""

    package: str
    request: type[Payload]
    response: type[Payload]
    label: type[Payload]

    @cached_property
    def request_fields(self) -> tuple[FieldSpec, ...]:
        return self._describe(self.request)

    @cached_property
    def response_fields(self) -> tuple[FieldSpec, ...]:
        return self._describe(self.response)

    @cached_property
    def label_fields(self) -> tuple[FieldSpec, ...]:
        return self._describe(self.label)

    @cached_property
    def schema_hash(self) -> str:
        """Twelve hex digits that change when the format of a request, response or label does, and only then.

        Validators in Python that a schema adds to its fields are not part of it: nothing could compare them.
        """
        described = {
            "request": [_format_of(field) for field in self.request_fields],
            "response": [_format_of(field) for field in self.response_fields],
            "label": [_format_of(field) for field in self.label_fields],
        }
        text = json.dumps(described, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _describe(self, payload: type[Payload]) -> tuple[FieldSpec, ...]:
        try:
            return describe(payload)
        except UnsupportedAnnotation as error:
            raise PackageError(
                [
                    PackageProblem(
                        file=f"{self.package}/schema.py",
                        key=f"{payload.__name__}.{error.field}",
                        found=error.found,
                        allowed=UnsupportedAnnotation.ALLOWED,
                    )
                ]
            ) from error


def load_interface(package: str) -> Interface:
    """Imports `model_packages.<package>.schema` and checks that it keeps the contract.

    Raises: PackageError if the import fails or a class is missing or of the wrong kind.
    """
    module = _import_schema(package)
    problems = [problem for name in SCHEMA_CLASSES if (problem := _class_problem(package, module, name)) is not None]
    problems += _reserved_field_problems(package, module) if not problems else []
    if problems:
        raise PackageError(problems)
    return Interface(package=package, request=module.Request, response=module.Response, label=module.Label)


def _format_of(field: FieldSpec) -> dict[str, Any]:
    """A field without its description, and with numbers that are the same whether written 0 or 0.0."""
    described = field.as_json()
    described.pop("description", None)
    numbers = BOUNDS if field.kind is not Kind.NUMERIC else (*BOUNDS, "default")
    return described | {key: _as_float(described[key]) for key in numbers if key in described}


def _as_float(number: float) -> float:
    """`number` as a float where a float can hold it: integers above 2**53 would become one another."""
    return float(number) if float(number) == number else number


def _import_schema(package: str) -> ModuleType:
    try:
        return importlib.import_module(f"model_packages.{package}.schema")
    except Exception as error:
        raise PackageError(
            [
                PackageProblem(
                    file=f"{package}/schema.py",
                    key="import",
                    found=f"{type(error).__name__}: {error}",
                    allowed="a module that imports with pydantic and model_packages.fields alone",
                )
            ]
        ) from error


def _class_problem(package: str, module: ModuleType, name: str) -> PackageProblem | None:
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, Payload):
        return None
    return PackageProblem(
        file=f"{package}/schema.py",
        key=name,
        found="nothing" if found is None else repr(found),
        allowed=f"class {name}(Payload), with Payload from model_packages.fields",
    )


def _reserved_field_problems(package: str, module: ModuleType) -> list[PackageProblem]:
    if RESERVED_FIELD not in module.Request.model_fields:
        return []
    key = f"Request.{RESERVED_FIELD}"
    return [PackageProblem(file=f"{package}/schema.py", key=key, found="a reserved name", allowed="any other name")]
