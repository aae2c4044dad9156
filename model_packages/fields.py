"""The vocabulary of a package's `schema.py`, and the description of a field that everything else reads.

A schema says more than types: units, shapes, dtypes, ranges and categories stand in its annotations. The gateway
validates with them, the container turns requests into tensors with them, and the documentation shows them.
Pydantic only: no torch, no numpy, nothing that a Lambda would have to load for nothing.
"""

from __future__ import annotations

import base64
import math
import re
import struct
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

DType = Literal["float32", "int64", "uint8", "bool"]

_PNG_START = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x0dIHDR"
_PNG_HEADER_BYTES = 33  # signature, then the IHDR chunk with its length, type and checksum
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # colour type -> channels; a palette (3) has none of its own

RANGES: Mapping[DType, tuple[float, float]] = {
    "float32": (-(2 - 2**-23) * 2.0**127, (2 - 2**-23) * 2.0**127),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 255),
}
"""The least and the greatest number that a dtype holds."""
_DTYPES: Mapping[str, DType] = {"float": "float32", "int": "int64"}
"""pydantic-core's type -> how the number travels on."""
_FORMATS: Mapping[str, tuple[str, DType]] = {"number": ("float", "float32"), "integer": ("int64", "int64")}
"""JSON Schema's type -> the name in OpenAPI's format registry for the range of a dtype."""


def _bound_numbers(schema: Any) -> None:
    """Gives every float and int of a model's core schema, in place, the bounds of its dtype: pydantic-core checks
    them in the same step as the type, which a validator in Python would not.
    """
    if schema["type"] in _DTYPES:
        lowest, highest = RANGES[_DTYPES[schema["type"]]]
        schema["ge"], schema["le"] = max(schema.get("ge", lowest), lowest), min(schema.get("le", highest), highest)
    for field in schema.get("fields", {}).values():
        _bound_numbers(field)
    if "schema" in schema:
        _bound_numbers(schema["schema"])


def _state_formats(schema: JsonSchemaValue) -> None:
    """Says `format` in place of a dtype's own bounds. At every number, they would drown the bounds that a package
    chose, and a reader in JavaScript would round int64's. A client may ignore the format: the gateway does not.
    """
    items = [schema["items"]] if "items" in schema else []
    for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *items):
        _state_formats(inner)
    if (kind := schema.get("type", "")) in _FORMATS:
        name, dtype = _FORMATS[kind]
        for key, bound in zip(("minimum", "maximum"), RANGES[dtype], strict=True):
            if schema.get(key) == bound:
                del schema[key]
                schema["format"] = name


class Payload(BaseModel):
    """The base of Request, Response and Label: strict types, no unknown keys, no NaN or infinity, and no number that
    its tensor cannot hold: a float is within float32's range and an int within int64's, whatever else a field states.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _bound_numbers(schema)
        return schema

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        _state_formats(described)
        return described


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit a number is measured in, for example `Annotated[float, Unit("mm")]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """Nested lists of numbers with a fixed `shape`, each within [`minimum`, `maximum`]."""

    shape: tuple[int, ...]
    dtype: DType = "float32"
    minimum: float | None = None
    maximum: float | None = None

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return self._nested_lists()

    def _nested_lists(self) -> CoreSchema:
        schema = _number_schema(self.dtype, minimum=self.minimum, maximum=self.maximum)
        for length in reversed(self.shape):
            schema = core_schema.list_schema(schema, min_length=length, max_length=length, strict=True)
        return schema


@dataclass(frozen=True, slots=True)
class Image(Tensor):
    """An image of `shape` (height, width) or (height, width, channels): nested numbers, or a PNG in base64.

    The PNG has the same size and channels and 8 bits a sample; its 0..255 maps onto [`minimum`, `maximum`], which
    an image therefore has to state.
    """

    minimum: float | None = 0.0
    maximum: float | None = 255.0

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._validate,
            self._nested_lists(),
            serialization=core_schema.simple_ser_schema("any"),  # lists or text: dumping either must not warn
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        png = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
        return {"anyOf": [handler(self._nested_lists()), png]}

    def _validate(self, value: Any, nested_lists: core_schema.ValidatorFunctionWrapHandler) -> Any:
        return self._validate_png(value) if isinstance(value, str) else nested_lists(value)

    def _validate_png(self, text: str) -> str:
        try:
            content = base64.b64decode(text, validate=True)
        except ValueError as error:  # binascii.Error, or the text is not ASCII
            raise PydanticCustomError("image_base64", "Input should be a PNG in base64") from error
        found = png_header(content)
        if found is None:
            raise PydanticCustomError("image_png", "Input should be a PNG in base64")
        if found != (allowed := (*self.size, 8)):
            raise PydanticCustomError(
                "image_size",
                "Input should be a PNG of {allowed}, not {found} (height, width, channels, bits)",
                {"allowed": list(allowed), "found": list(found)},
            )
        return text

    @property
    def size(self) -> tuple[int, int, int]:
        """(height, width, channels); an image of two axes has one channel."""
        height, width = self.shape[:2]
        return height, width, self.shape[2] if len(self.shape) > 2 else 1


def png_header(content: bytes) -> tuple[int, int, int, int] | None:
    """(height, width, channels, bits) as the header of a PNG says, which is no proof that the rest can be decoded;
    None where there is no header.
    """
    if not content.startswith(_PNG_START) or len(content) < _PNG_HEADER_BYTES:
        return None
    width, height, bits, colour_type = struct.unpack(">IIBB", content[16:26])
    return height, width, _PNG_CHANNELS.get(colour_type, 0), bits


class Kind(StrEnum):
    """What a field is, whichever annotation said so."""

    NUMERIC = "numeric"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    TEXT = "text"
    TENSOR = "tensor"
    IMAGE = "image"


_CONSTRAINTS: Mapping[str, str] = {
    "minimum": "ge",
    "maximum": "le",
    "exclusive_minimum": "gt",
    "exclusive_maximum": "lt",
    "multiple_of": "multiple_of",
    "minimum_length": "min_length",
    "maximum_length": "max_length",
    "pattern": "pattern",
}
"""FieldSpec's name -> the name in pydantic's Field."""
_SCALARS: Mapping[type, tuple[Kind, DType | None]] = {
    float: (Kind.NUMERIC, "float32"),
    int: (Kind.INTEGER, "int64"),
    bool: (Kind.BOOLEAN, "bool"),
    str: (Kind.TEXT, None),
}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field as the whole kit sees it. `shape` leaves out the batch axis; text has no dtype; `default` is what a
    field that is left out becomes, so None stands for null unless the field is `required`.
    """

    name: str
    kind: Kind
    dtype: DType | None
    shape: tuple[int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    multiple_of: float | None = None
    minimum_length: int | None = None
    maximum_length: int | None = None
    pattern: str | None = None
    categories: tuple[str, ...] = ()
    unit: str | None = None
    nullable: bool = False
    required: bool = True
    default: Any = None
    description: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The field as plain JSON values, without what is absent."""
        return {key: value for key, value in asdict(self).items() if value is not None and value != ()}


class UnsupportedAnnotation(TypeError):
    """A schema's field has an annotation that Flyball cannot describe; `field` and `found` say which."""

    ALLOWED = "float, int, bool, str, Literal of strings, Annotated with Tensor or Image, each of them or None"

    def __init__(self, *, field: str, found: str) -> None:
        self.field, self.found = field, found
        super().__init__(f"field {field!r} is {found}; allowed: {self.ALLOWED}")


def describe(payload: type[BaseModel]) -> tuple[FieldSpec, ...]:
    """Every field of `payload`, in its order.

    Raises: UnsupportedAnnotation for a field whose type is none of the vocabulary's.
    """
    return tuple(_describe_field(name, info) for name, info in payload.model_fields.items())


def _describe_field(name: str, info: FieldInfo) -> FieldSpec:
    annotation, metadata, nullable = _unwrap(info.annotation, info.metadata)
    kind, dtype, shape, categories = _type_of(name, annotation, metadata)
    return FieldSpec(
        name=name,
        kind=kind,
        dtype=dtype,
        shape=shape,
        categories=categories,
        unit=_last(item.name for item in metadata if isinstance(item, Unit)),
        nullable=nullable,
        required=info.is_required(),
        default=None if info.is_required() else info.get_default(call_default_factory=True),
        description=info.description or _last(item.description for item in metadata if isinstance(item, FieldInfo)),
        **_constraints(metadata),
    )


def _unwrap(annotation: Any, metadata: Iterable[Any]) -> tuple[Any, list[Any], bool]:
    """Takes `Annotated[...]` and `... | None` off, however they are nested. What stands further out comes later in
    the metadata, because of two equal constraints pydantic applies the last.
    """
    collected, nullable = list(metadata), False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extra = get_args(annotation)
            collected = [*(part for item in extra for part in _metadata_of(item)), *collected]
        elif get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
            others = [argument for argument in get_args(annotation) if argument is not type(None)]
            annotation, nullable = Union[tuple(others)], True  # noqa: UP007 - built from a list
        else:
            return annotation, collected, nullable


def _metadata_of(item: Any) -> Iterator[Any]:
    yield item
    if isinstance(item, FieldInfo):
        yield from item.metadata


def _type_of(
    name: str, annotation: Any, metadata: list[Any]
) -> tuple[Kind, DType | None, tuple[int, ...], tuple[str, ...]]:
    tensor = _tensor_of(metadata)
    if tensor is not None:
        kind = Kind.IMAGE if isinstance(tensor, Image) else Kind.TENSOR
        return kind, tensor.dtype, tensor.shape, ()
    if get_origin(annotation) is Literal and all(isinstance(value, str) for value in get_args(annotation)):
        return Kind.CATEGORY, "int64", (), get_args(annotation)
    if annotation in _SCALARS:
        kind, dtype = _SCALARS[annotation]
        return kind, dtype, (), ()
    raise UnsupportedAnnotation(field=name, found=getattr(annotation, "__name__", str(annotation)))


def _constraints(metadata: list[Any]) -> dict[str, Any]:
    """By attribute and not by class: single constraints and groups (Interval, StringConstraints) read alike."""
    stated = {name: _last(getattr(item, key, None) for item in metadata) for name, key in _CONSTRAINTS.items()}
    pattern = stated["pattern"]
    tensor = _tensor_of(metadata)
    bounds = {} if tensor is None else {"minimum": tensor.minimum, "maximum": tensor.maximum}
    return {**stated, "pattern": pattern.pattern if isinstance(pattern, re.Pattern) else pattern, **bounds}


def _tensor_of(metadata: Iterable[Any]) -> Tensor | None:
    tensor: Tensor | None = _last(item for item in metadata if isinstance(item, Tensor))
    return tensor


def _last(values: Iterable[Any]) -> Any:
    return next((value for value in reversed(list(values)) if value is not None), None)


def _number_schema(dtype: DType, *, minimum: float | None, maximum: float | None) -> CoreSchema:
    if dtype == "bool":
        return core_schema.bool_schema(strict=True)
    lowest, highest = RANGES[dtype]
    low = lowest if minimum is None else max(lowest, minimum)
    high = highest if maximum is None else min(highest, maximum)
    if dtype == "float32":
        return core_schema.float_schema(ge=low, le=high, allow_inf_nan=False, strict=True)
    return core_schema.int_schema(ge=math.ceil(low), le=math.floor(high), strict=True)
