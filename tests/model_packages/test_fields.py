"""The vocabulary of schemas: what each item accepts, where an error points, and how a field is described."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Annotated, Any, Literal

import annotated_types
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from pydantic import Field, StringConstraints, ValidationError, create_model

from model_packages.fields import RANGES, FieldSpec, Image, Kind, Payload, Tensor, Unit, UnsupportedAnnotation, describe

Number = Annotated[float, Field(ge=0.0, le=10.0, description="how much"), Unit("mm")]
Count = Annotated[int, Field(ge=1)]
Colour = Literal["red", "green"]
Text = Annotated[str, Field(max_length=5)]
Vector = Annotated[list[float], Tensor(shape=(2, 3), minimum=-1.0, maximum=1.0)]
Codes = Annotated[list[int], Tensor(shape=(2,), dtype="int64")]
Octets = Annotated[list[int], Tensor(shape=(2,), dtype="uint8")]
Flags = Annotated[list[bool], Tensor(shape=(2,), dtype="bool")]
Grey = Annotated[list[list[float]] | str, Image(shape=(2, 3), minimum=0.0, maximum=16.0)]
Colours = Annotated[list[list[list[int]]] | str, Image(shape=(2, 3, 3), dtype="uint8")]
Wide = Annotated[int, Field(ge=-(2**70), le=2**70)]
FLOAT32_MAXIMUM = float(np.finfo(np.float32).max)
BEYOND_FLOAT32 = float(np.nextafter(FLOAT32_MAXIMUM, np.inf))
BOUNDS = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt)


def payload(annotation: Any, default: Any = ...) -> type[Payload]:
    return create_model("Request", __base__=Payload, field=(annotation, default))


def accepts(model: type[Payload], value: Any) -> bool:
    try:
        model.model_validate({"field": value})
    except ValidationError:
        return False
    return True


def png(mode: str = "L", size: tuple[int, int] = (3, 2)) -> str:
    content = io.BytesIO()
    PillowImage.new(mode, size).save(content, format="PNG")
    return base64.b64encode(content.getvalue()).decode()


ACCEPTED: list[tuple[Any, Any]] = [
    (Number, 0.0),
    (Number, 10),
    (Count, 1),
    (bool, True),
    (Colour, "red"),
    (Text, "five!"),
    (Number | None, None),
    (Colour | None, None),
    (Vector, [[0.0, 1, -1.0], [0.5, 0.5, 0.5]]),
    (Codes, [-(2**63), 2**63 - 1]),
    (Octets, [0, 255]),
    (Flags, [True, False]),
    (Grey, [[0.0, 8.0, 16.0], [0, 0, 0]]),
    (Grey, png()),
    (Colours, [[[0, 128, 255]] * 3] * 2),
    (Colours, png("RGB")),
    (float, FLOAT32_MAXIMUM),
    (float, -FLOAT32_MAXIMUM),
    (int, 2**63 - 1),
    (int, -(2**63)),
]
REFUSED: list[tuple[Any, Any, tuple[int, ...], str]] = [
    (Number, -0.1, (), "greater_than_equal"),
    (Number, 10.1, (), "less_than_equal"),
    (Number, "1", (), "float_type"),
    (Number, True, (), "float_type"),
    (Number, None, (), "float_type"),
    (float, float("nan"), (), "finite_number"),
    (float, float("inf"), (), "finite_number"),
    (Count, 0, (), "greater_than_equal"),
    (Count, 1.0, (), "int_type"),
    (bool, 1, (), "bool_type"),
    (Colour, "blue", (), "literal_error"),
    (Text, "longer", (), "string_too_long"),
    (Vector, [[0.0] * 3], (), "too_short"),
    (Vector, [[0.0] * 3] * 3, (), "too_long"),
    (Vector, [[0.0] * 3, [0.0] * 2], (1,), "too_short"),
    (Vector, [[0.0] * 3, [0.0, 0.0, 1.5]], (1, 2), "less_than_equal"),
    (Vector, [[0.0] * 3, [0.0, "0", 0.0]], (1, 1), "float_type"),
    (Vector, [[0.0] * 3, [0.0, float("nan"), 0.0]], (1, 1), "finite_number"),
    (Vector, ((0.0,) * 3,) * 2, (), "list_type"),
    (Codes, [0, 0.5], (1,), "int_type"),
    (Codes, [0, 2**63], (1,), "less_than_equal"),
    (Octets, [0, 256], (1,), "less_than_equal"),
    (Octets, [-1, 0], (0,), "greater_than_equal"),
    (Flags, [True, 0], (1,), "bool_type"),
    (Grey, [[0.0] * 3, [0.0, 16.5, 0.0]], (1, 1), "less_than_equal"),
    (Grey, "no base64!", (), "image_base64"),
    (Grey, "é", (), "image_base64"),
    (Grey, base64.b64encode(b"GIF89a" + bytes(40)).decode(), (), "image_png"),
    (Grey, png()[:16], (), "image_png"),
    (Grey, base64.b64encode(base64.b64decode(png()).replace(b"IHDR", b"IDAT")).decode(), (), "image_png"),
    (Grey, png(size=(2, 3)), (), "image_size"),
    (Grey, png("RGB"), (), "image_size"),
    (Grey, png("I;16"), (), "image_size"),
    (Grey, png("P"), (), "image_size"),
    (Colours, png("RGBA"), (), "image_size"),
    (Colours, [[[0, 128]] * 3] * 2, (0, 0), "too_short"),
    (float, BEYOND_FLOAT32, (), "less_than_equal"),
    (float, -BEYOND_FLOAT32, (), "greater_than_equal"),
    (float, 10**39, (), "less_than_equal"),
    (float | None, BEYOND_FLOAT32, (), "less_than_equal"),
    (Annotated[float, Field(gt=0.0)], BEYOND_FLOAT32, (), "less_than_equal"),
    (Annotated[float, Field(lt=1e300)] | None, BEYOND_FLOAT32, (), "less_than_equal"),
    (Annotated[list[float], Tensor(shape=(1,))], [BEYOND_FLOAT32], (0,), "less_than_equal"),
    (Annotated[list[float], Tensor(shape=(1,), maximum=1e300)], [BEYOND_FLOAT32], (0,), "less_than_equal"),
    (int, 2**63, (), "less_than_equal"),
    (int, -(2**63) - 1, (), "greater_than_equal"),
    (int | None, 2**63, (), "less_than_equal"),
    (Wide, 2**63, (), "less_than_equal"),
    (Wide | None, -(2**63) - 1, (), "greater_than_equal"),
]


@pytest.mark.parametrize(("annotation", "value"), ACCEPTED)
def test_a_value_of_the_vocabulary_is_accepted(annotation: Any, value: Any) -> None:
    model = payload(annotation)

    assert model.model_validate({"field": value}).model_dump()["field"] == value
    assert model.model_validate_json(json.dumps({"field": value})).model_dump()["field"] == value


@pytest.mark.parametrize(("annotation", "value", "where", "code"), REFUSED)
def test_a_bad_value_is_refused_where_it_stands(annotation: Any, value: Any, where: tuple[int, ...], code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        payload(annotation).model_validate({"field": value})

    found = {(error["loc"], error["type"]) for error in caught.value.errors()}
    assert (("field", *where), code) in found


def test_a_payload_takes_no_unknown_keys_and_no_changes() -> None:
    request = payload(float).model_validate({"field": 1.0})

    with pytest.raises(ValidationError, match="Extra inputs"):
        payload(float).model_validate({"field": 1.0, "other": 2.0})
    with pytest.raises(ValidationError, match="frozen"):
        request.field = 2.0  # type: ignore[attr-defined]


def test_every_bad_field_is_named_at_once() -> None:
    model = create_model("Request", __base__=Payload, size=(Number, ...), colour=(Colour, ...), vector=(Vector, ...))

    with pytest.raises(ValidationError) as caught:
        model.model_validate({"size": 11.0, "colour": "blue", "vector": [[2.0] * 3, [0.0] * 3]})

    assert [error["loc"] for error in caught.value.errors()] == [
        ("size",), ("colour",), ("vector", 0, 0), ("vector", 0, 1), ("vector", 0, 2),
    ]  # fmt: skip


def test_a_png_of_the_wrong_size_is_told_which_is_right() -> None:
    with pytest.raises(ValidationError, match=r"a PNG of \[2, 3, 1, 8\], not \[3, 2, 1, 8\]"):
        payload(Grey).model_validate({"field": png(size=(2, 3))})


def test_a_bound_between_two_integers_holds_for_the_integers() -> None:
    model = payload(Annotated[list[int], Tensor(shape=(1,), dtype="int64", minimum=0.5, maximum=2.5)])

    assert model.model_validate({"field": [1]})
    for outside in (0, 3):
        with pytest.raises(ValidationError):
            model.model_validate({"field": [outside]})


@pytest.mark.parametrize(
    ("annotation", "described"),
    [
        (
            Number,
            FieldSpec(
                name="field", kind=Kind.NUMERIC, dtype="float32", minimum=0.0, maximum=10.0, unit="mm",
                description="how much",
            ),
        ),
        (Count, FieldSpec(name="field", kind=Kind.INTEGER, dtype="int64", minimum=1)),
        (bool, FieldSpec(name="field", kind=Kind.BOOLEAN, dtype="bool")),
        (Colour, FieldSpec(name="field", kind=Kind.CATEGORY, dtype="int64", categories=("red", "green"))),
        (Text, FieldSpec(name="field", kind=Kind.TEXT, dtype=None, maximum_length=5)),
        (
            Annotated[str, Field(min_length=2, pattern="^a")],
            FieldSpec(name="field", kind=Kind.TEXT, dtype=None, minimum_length=2, pattern="^a"),
        ),
        (
            Annotated[str, Field(pattern=re.compile("^a"))],
            FieldSpec(name="field", kind=Kind.TEXT, dtype=None, pattern="^a"),
        ),
        (
            Annotated[str, StringConstraints(max_length=3, pattern="^a")],
            FieldSpec(name="field", kind=Kind.TEXT, dtype=None, maximum_length=3, pattern="^a"),
        ),
        (
            Annotated[float, Field(gt=0.0, lt=1.0, multiple_of=0.25)],
            FieldSpec(
                name="field", kind=Kind.NUMERIC, dtype="float32", exclusive_minimum=0.0, exclusive_maximum=1.0,
                multiple_of=0.25,
            ),
        ),
        (
            Annotated[int, annotated_types.Interval(gt=0, le=9)],
            FieldSpec(name="field", kind=Kind.INTEGER, dtype="int64", exclusive_minimum=0, maximum=9),
        ),
        (
            Vector,
            FieldSpec(name="field", kind=Kind.TENSOR, dtype="float32", shape=(2, 3), minimum=-1.0, maximum=1.0),
        ),
        (Octets, FieldSpec(name="field", kind=Kind.TENSOR, dtype="uint8", shape=(2,))),
        (Grey, FieldSpec(name="field", kind=Kind.IMAGE, dtype="float32", shape=(2, 3), minimum=0.0, maximum=16.0)),
        (
            Colours,
            FieldSpec(name="field", kind=Kind.IMAGE, dtype="uint8", shape=(2, 3, 3), minimum=0.0, maximum=255.0),
        ),
    ],
)  # fmt: skip
def test_a_field_is_described_by_its_annotation(annotation: Any, described: FieldSpec) -> None:
    assert describe(payload(annotation)) == (described,)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[float | None, Field(ge=0.0, description="how much"), Unit("mm")],
        Annotated[float, Field(ge=0.0, description="how much"), Unit("mm")] | None,
        Annotated[Annotated[float, Unit("mm")] | None, Field(ge=0.0, description="how much")],
        Annotated[Annotated[float, Field(description="how much"), Unit("mm")] | None, Field(ge=0.0)],
        Annotated[
            Annotated[float, Field(ge=-1.0, description="no")] | None, Field(ge=0.0, description="how much"), Unit("mm")
        ],
    ],
)
def test_a_field_that_may_be_missing_is_described_however_it_is_written(annotation: Any) -> None:
    [field] = describe(payload(annotation, None))

    assert (field.kind, field.minimum, field.unit, field.description) == (Kind.NUMERIC, 0.0, "mm", "how much")
    assert field.nullable
    assert not field.required


@given(
    st.lists(st.builds(lambda bound, at: bound(at), st.sampled_from(BOUNDS), st.integers(-3, 3)), max_size=4),
    st.integers(-4, 4),
)
def test_of_repeated_constraints_the_one_is_described_that_holds(
    constraints: list[annotated_types.BaseMetadata], value: int
) -> None:
    annotation: Any = int
    for constraint in constraints:
        annotation = Annotated[annotation, constraint] | None

    [field] = describe(model := payload(annotation))

    described = Annotated[
        int,
        Field(ge=field.minimum, gt=field.exclusive_minimum, le=field.maximum, lt=field.exclusive_maximum),
    ]
    assert accepts(model, value) == accepts(payload(described), value)


@pytest.mark.parametrize(
    ("annotation", "written", "described"),
    [
        (Number, 2.5, 2.5),
        (Text, "", ""),
        (bool, False, False),
        (Number | None, None, None),
        (Number, Field(default=2.5), 2.5),
        (Codes, Field(default_factory=lambda: [0, 1]), [0, 1]),
    ],
)
def test_a_default_is_described_by_its_value(annotation: Any, written: Any, described: Any) -> None:
    [field] = describe(payload(annotation, written))

    assert (field.required, field.default) == (False, described)


def test_a_description_holds_plain_values_and_leaves_out_what_is_absent() -> None:
    [field] = describe(payload(Colour))

    assert json.loads(json.dumps(field.as_json())) == {
        "name": "field", "kind": "category", "dtype": "int64", "categories": ["red", "green"], "nullable": False,
        "required": True,
    }  # fmt: skip


@pytest.mark.parametrize("annotation", [list[float], dict[str, float], Literal[1, 2], float | str, bytes, complex])
def test_what_is_not_in_the_vocabulary_cannot_be_described(annotation: Any) -> None:
    with pytest.raises(UnsupportedAnnotation, match=r"field 'field' is .*; allowed: float, int, bool, str, Literal of"):
        describe(payload(annotation))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_a_dtypes_range_is_numpys(dtype: Literal["float32", "int64", "uint8"]) -> None:
    limits = np.finfo(dtype) if dtype == "float32" else np.iinfo(dtype)

    assert RANGES[dtype] == (limits.min, limits.max)


@pytest.mark.parametrize(
    ("annotation", "stated"),
    [
        (float, {"type": "number", "format": "float"}),
        (Annotated[float, Field(ge=0.0)], {"type": "number", "format": "float", "minimum": 0.0}),
        (
            Annotated[float, Field(ge=0.0, lt=1.0)],
            {"type": "number", "format": "float", "minimum": 0.0, "exclusiveMaximum": 1.0},
        ),
        (Annotated[float, Field(ge=0.0, le=1.0)], {"type": "number", "minimum": 0.0, "maximum": 1.0}),
        (int, {"type": "integer", "format": "int64"}),
        (Wide, {"type": "integer", "format": "int64"}),
        (int | None, {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "null"}]}),
        (
            Annotated[list[float], Tensor(shape=(1,))],
            {"type": "array", "items": {"type": "number", "format": "float"}, "minItems": 1, "maxItems": 1},
        ),
        (
            Annotated[list[int], Tensor(shape=(1,), dtype="uint8")],
            {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}, "minItems": 1, "maxItems": 1},
        ),
    ],
)
def test_a_json_schema_names_the_format_where_only_the_dtype_bounds_a_number(
    annotation: Any, stated: dict[str, Any]
) -> None:
    schema = payload(annotation).model_json_schema()["properties"]["field"]

    assert schema == {**stated, "title": "Field"}


def test_a_tensors_json_schema_says_its_shape_and_range() -> None:
    schema = payload(Vector).model_json_schema()["properties"]["field"]

    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert (schema["items"]["minItems"], schema["items"]["maxItems"]) == (3, 3)
    assert schema["items"]["items"] == {"type": "number", "minimum": -1.0, "maximum": 1.0}


def test_an_images_json_schema_offers_numbers_and_png() -> None:
    numbers, text = payload(Grey).model_json_schema()["properties"]["field"]["anyOf"]

    assert numbers["type"] == "array"
    assert text == {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}


@pytest.mark.parametrize(("shape", "size"), [((2, 3), (2, 3, 1)), ((2, 3, 4), (2, 3, 4))])
def test_an_image_of_two_axes_has_one_channel(shape: tuple[int, ...], size: tuple[int, int, int]) -> None:
    assert Image(shape=shape).size == size
