"""How a Request becomes arrays where the package has no input_fn: the schema's annotations say types and shapes.

Types and shapes are checked while values are converted; ranges are the edge's job. NumPy only: rows are made and
checked on the event loop, and become tensors on the thread that computes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from model_packages.errors import FieldProblem, InvalidRequest
from model_packages.fields import RANGES, DType, FieldSpec, Kind, png_header
from model_packages.interface import IMAGE_UNREADABLE

Array = npt.NDArray[Any]
Signature = tuple[tuple[str, tuple[int, ...], str], ...]
Convert = Callable[[Any], Any]

_LOWEST_FLOAT, _HIGHEST_FLOAT = RANGES["float32"]
_LOWEST_INTEGER, _HIGHEST_INTEGER = RANGES["int64"]
_MODES: Mapping[int, str] = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's name for 8 bits of each."""
_ACCEPTED_KINDS: Mapping[DType, str] = {"float32": "fiu", "int64": "i", "uint8": "i", "bool": "b"}


@dataclass(frozen=True, slots=True)
class Row:
    """One request as the model takes it, without the batch axis. Rows of one signature can share a batch."""

    values: Mapping[str, Any]
    signature: Signature
    size_bytes: int


class Unfit(ValueError):
    """A value that is not what its field allows."""

    def __init__(self, *, found: str, allowed: str, code: str = "type") -> None:
        self.found, self.allowed, self.code = found, allowed, code
        super().__init__(f"found {found}; allowed: {allowed}")


@dataclass(frozen=True, slots=True)
class Block:
    """Some columns of a batch in one array, so that they reach the device in one copy: scalars of one dtype as
    [names, batch], or one tensor field as [batch, ...].
    """

    names: tuple[str, ...]
    array: Array
    is_scalar: bool


class Tensoriser:
    """Turns requests into rows: numbers float32, integers int64, booleans bool, categories int64 codes, tensors and
    images their own shape and dtype.

    A missing category is -1; a missing number is NaN, for which a nullable integer or boolean is float32 too.
    """

    def __init__(self, fields: Sequence[FieldSpec], *, defaults: Mapping[str, Any]) -> None:
        self._converters = {field.name: _or_missing(field, _converter(field)) for field in fields}
        self._defaults = defaults
        self._signature: Signature = tuple((field.name, field.shape, _row_dtype(field)) for field in fields)
        self._size_bytes = sum(_size_bytes(field) for field in fields)

    def row(self, request: Mapping[str, Any]) -> Row:
        """Raises: InvalidRequest that names every field of a wrong type or shape."""
        return Row(values=self.convert(request), signature=self._signature, size_bytes=self._size_bytes)

    def convert(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The values alone. Raises: InvalidRequest that names every field of a wrong type or shape."""
        try:
            values = {name: convert(request[name]) for name, convert in self._converters.items()}
        except (KeyError, Unfit):
            return self._convert_slowly(request)
        return values if len(values) == len(request) else self._convert_slowly(request)

    def _convert_slowly(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Fills in defaults, and goes on after a problem to name them all."""
        complete = {**self._defaults, **request}
        values: dict[str, Any] = {}
        problems: list[FieldProblem] = []
        for name, convert in self._converters.items():
            if name not in complete:
                problems.append(_problem(name, found="nothing", allowed="a value: the field is required"))
                continue
            try:
                values[name] = convert(complete[name])
            except Unfit as unfit:
                problems.append(_problem(name, found=unfit.found, allowed=unfit.allowed, code=unfit.code))
        problems += [
            _problem(name, found="an unknown field", allowed="the fields of the package's Request")
            for name in request.keys() - self._converters.keys()
        ]
        if problems:
            raise InvalidRequest(problems)
        return values


def without_default(fields: Sequence[FieldSpec]) -> list[FieldSpec]:
    """The fields that only a package's own input_fn can turn into numbers."""
    return [field for field in fields if field.kind is Kind.TEXT or (field.nullable and field.shape)]


def row_of(values: Mapping[str, Any]) -> Row:
    """The row that a package's input_fn describes: float64 becomes float32, which models compute in.

    Raises: Unfit if a value is not made of numbers.
    """
    arrays = {name: _numeric_array(name, value) for name, value in values.items()}
    return Row(
        values={name: array if array.shape else array.item() for name, array in arrays.items()},
        signature=tuple((name, array.shape, array.dtype.name) for name, array in arrays.items()),
        size_bytes=sum(array.nbytes for array in arrays.values()),
    )


def stack(rows: Sequence[Row]) -> list[Block]:
    """The columns of a batch. All rows have the first one's signature."""
    values = [row.values for row in rows]
    return [_stack_block(values, names, shape=shape, dtype=dtype) for names, shape, dtype in _layout(rows[0].signature)]


@lru_cache(maxsize=64)
def _layout(signature: Signature) -> tuple[tuple[tuple[str, ...], tuple[int, ...], str], ...]:
    """Which columns share a block: the scalars of one dtype do."""
    scalars: dict[str, tuple[str, ...]] = {}
    for name, shape, dtype in signature:
        if not shape:
            scalars[dtype] = (*scalars.get(dtype, ()), name)
    tensors = (((name,), shape, dtype) for name, shape, dtype in signature if shape)
    return (*((names, (), dtype) for dtype, names in scalars.items()), *tensors)


def _stack_block(
    values: Sequence[Mapping[str, Any]], names: tuple[str, ...], *, shape: tuple[int, ...], dtype: str
) -> Block:
    if shape:
        return Block(names=names, array=np.stack([row[names[0]] for row in values]), is_scalar=False)
    select = itemgetter(*names)
    table = np.array([select(row) for row in values], dtype=dtype).reshape(len(values), len(names))
    return Block(names=names, array=np.ascontiguousarray(table.T), is_scalar=True)


def _problem(name: str, *, found: str, allowed: str, code: str = "type") -> FieldProblem:
    return FieldProblem(pointer=f"/{name}", code=code, found=found, allowed=allowed)


def _or_missing(field: FieldSpec, convert: Convert) -> Convert:
    if not field.nullable:
        return convert
    missing = -1 if field.kind is Kind.CATEGORY else float("nan")
    return lambda value: missing if value is None else convert(value)


def _row_dtype(field: FieldSpec) -> str:
    if field.nullable and field.kind in (Kind.INTEGER, Kind.BOOLEAN):
        return "float32"
    return field.dtype or "object"


def _size_bytes(field: FieldSpec) -> int:
    dtype = _row_dtype(field)
    return 0 if dtype == "object" else int(np.prod(field.shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _converter(field: FieldSpec) -> Convert:
    match field.kind:
        case Kind.CATEGORY:
            return partial(_category, {category: code for code, category in enumerate(field.categories)})
        case Kind.IMAGE:
            return partial(_image, field)
        case Kind.TENSOR:
            return partial(_tensor, field)
        case scalar:
            return _SCALARS[scalar]


def _number(value: Any) -> float:
    if (type(value) is float or type(value) is int) and _LOWEST_FLOAT <= value <= _HIGHEST_FLOAT:
        return value
    raise Unfit(found=_shown(value), allowed="a number that float32 holds")


def _integer(value: Any) -> int:
    if type(value) is int and _LOWEST_INTEGER <= value <= _HIGHEST_INTEGER:
        return value
    raise Unfit(found=_shown(value), allowed="an integer of 64 bits")


def _boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise Unfit(found=_shown(value), allowed="true or false")


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise Unfit(found=_shown(value), allowed="a string")


def _category(codes: Mapping[str, int], value: Any) -> int:
    code = codes.get(value) if type(value) is str else None
    if code is None:
        raise Unfit(found=_shown(value), allowed=f"one of {', '.join(codes)}")
    return code


_SCALARS: Mapping[Kind, Convert] = {
    Kind.NUMERIC: _number,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.TEXT: _text,
}


def _tensor(field: FieldSpec, value: Any) -> Array:
    allowed = f"nested lists of {field.dtype} with shape {list(field.shape)}"
    try:
        array = np.array(value)
    except ValueError as error:
        raise Unfit(found="lists of unequal length", allowed=allowed) from error
    dtype = field.dtype or "float32"
    if array.shape != field.shape:
        raise Unfit(found=f"shape {list(array.shape)}", allowed=allowed)
    if array.dtype.kind not in _ACCEPTED_KINDS[dtype] or (dtype == "uint8" and _leaves_uint8(array)):
        raise Unfit(found=f"values of type {array.dtype.name}", allowed=allowed)
    if dtype == "float32" and array.size and np.abs(array).max() > _HIGHEST_FLOAT:
        raise Unfit(found="values that float32 cannot hold", allowed=allowed)
    return array.astype(dtype)


def _leaves_uint8(array: Array) -> bool:
    return bool(array.size and (array.min() < 0 or array.max() > 255))


def _image(field: FieldSpec, value: Any) -> Array:
    return _png(field, value) if type(value) is str else _tensor(field, value)


def _png(field: FieldSpec, text: str) -> Array:
    """Decodes a PNG and maps its 0..255 onto the field's range."""
    samples = _png_samples(text, size=(*field.shape, 1)[:3])
    low, high = field.minimum or 0.0, 255.0 if field.maximum is None else field.maximum
    scaled = samples.reshape(field.shape).astype(np.float32) * ((high - low) / 255.0) + low
    return (scaled if field.dtype == "float32" else np.rint(scaled)).astype(field.dtype)


def _png_samples(text: str, *, size: tuple[int, ...]) -> Array:
    allowed = f"an 8-bit PNG of {list(size)} (height, width, channels) in base64"
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unfit(found="no base64", allowed=allowed) from error
    found = png_header(content)
    if found != (*size, 8):
        raise Unfit(found="no PNG" if found is None else f"a PNG of {list(found)} with its bits", allowed=allowed)
    samples = _decode_png(content, size)
    if samples is None:
        raise Unfit(found="a PNG whose content cannot be decoded", allowed=allowed, code=IMAGE_UNREADABLE)
    return samples


def _decode_png(content: bytes, size: tuple[int, ...]) -> Array | None:
    """The samples, or None for a broken PNG. Its header is right, but a second one may say something else."""
    height, width, channels = size
    try:
        with PillowImage.open(io.BytesIO(content), formats=("PNG",)) as image:
            is_as_announced = (image.height, image.width, image.mode) == (height, width, _MODES[channels])
            return np.asarray(image) if is_as_announced else None
    except Exception:  # noqa: BLE001 - on broken files Pillow raises whatever it comes upon: IndexError, SyntaxError, ...
        return None


def _numeric_array(name: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise Unfit(found=f"lists of unequal length in {name!r}", allowed="one shape") from error
    if array.dtype.kind not in "biuf":
        raise Unfit(found=f"{name!r} of type {array.dtype.name}", allowed="numbers, lists of numbers or arrays of them")
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
