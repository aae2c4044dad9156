"""The request that stands in for a package's examples: whatever the schema says, it keeps it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import Field, create_model

from container.package import synthetic_request
from model_packages.fields import Payload, Tensor, describe

BOUNDS = st.none() | st.integers(-9, 9)


def payload(annotation: Any) -> type[Payload]:
    return create_model("Request", __base__=Payload, field=(annotation, ...))


@pytest.mark.parametrize(
    "annotation",
    [
        float,
        int,
        bool,
        str,
        Annotated[str, Field(min_length=7)],
        Annotated[str, Field(max_length=2)],
        Annotated[float, Field(gt=0.0)],
        Annotated[float, Field(gt=0.0, lt=0.001)],
        Annotated[float, Field(lt=-5.0)],
        Annotated[float, Field(ge=1.0, multiple_of=0.25)],
        Annotated[int, Field(gt=0)] | None,
        Annotated[int, Field(gt=0, le=1)],
        Annotated[int, Field(ge=6, multiple_of=5)],
        Literal["red", "green"],
        Annotated[list[list[float]], Tensor(shape=(2, 3), minimum=-1.0, maximum=1.0)],
        Annotated[list[int], Tensor(shape=(2,), dtype="int64", minimum=0.5, maximum=1.5)],
        Annotated[list[bool], Tensor(shape=(2,), dtype="bool")],
    ],
)
def test_a_synthetic_request_keeps_its_schema(annotation: Any) -> None:
    model = payload(annotation)

    assert model.model_validate(synthetic_request(describe(model)))


@given(lowest=BOUNDS, above=BOUNDS, highest=BOUNDS, below=BOUNDS, multiple_of=st.none() | st.integers(1, 7))
def test_a_synthetic_integer_is_one_that_the_schema_allows(
    lowest: int | None, above: int | None, highest: int | None, below: int | None, multiple_of: int | None
) -> None:
    allowed = [
        number
        for number in range(-40, 41)
        if (lowest is None or number >= lowest)
        and (above is None or number > above)
        and (highest is None or number <= highest)
        and (below is None or number < below)
        and number % (multiple_of or 1) == 0
    ]
    assume(allowed)

    bounds = Field(ge=lowest, gt=above, le=highest, lt=below, multiple_of=multiple_of)
    [value] = synthetic_request(describe(payload(Annotated[int, bounds]))).values()

    assert value in allowed
