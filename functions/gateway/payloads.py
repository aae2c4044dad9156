"""A package's requests and answers on the wire: one payload, or many in an envelope, checked straight from bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field, ValidationError, create_model

from functions.gateway.field_problems import problems_of
from model_packages.errors import ContractViolation, InvalidRequest
from model_packages.fields import Payload
from model_packages.interface import Interface

# `instances` is reserved and the envelope has no other field, so the first key tells the two forms apart and the
# body is parsed once. An envelope that starts with another key is refused as a request with unknown fields.
_STARTS_LIKE_AN_ENVELOPE = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"instances"[ \t\r\n]*:')


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A body that keeps the schema. It is forwarded as it came, so only its form and size are kept."""

    rows: int
    is_batch: bool


class Payloads:
    """Built once a process, because pydantic builds its validators then."""

    def __init__(self, interface: Interface, *, maximum_rows: int) -> None:
        rows = Annotated[list[interface.request], Field(min_length=1, max_length=maximum_rows)]  # type: ignore[name-defined]
        answers = list[interface.response]  # type: ignore[name-defined]
        many = create_model("Instances", __base__=Payload, instances=cast(Any, (rows, ...)))
        many_answers = create_model("Predictions", __base__=Payload, predictions=cast(Any, (answers, ...)))
        self._parse_one = interface.request.__pydantic_validator__.validate_json
        self._parse_many = many.__pydantic_validator__.validate_json
        self._parse_answer = many_answers.__pydantic_validator__.validate_json

    def check_request(self, body: bytes) -> CheckedRequest:
        """Raises: InvalidRequest that names every bad field."""
        try:
            if _STARTS_LIKE_AN_ENVELOPE.match(body):
                return CheckedRequest(rows=len(self._parse_many(body).instances), is_batch=True)
            self._parse_one(body)
        except ValidationError as error:
            problems = problems_of(error)
            raise InvalidRequest(problems, omitted=error.error_count() - len(problems)) from None
        return CheckedRequest(rows=1, is_batch=False)

    def parse_answer(self, content: bytes, *, rows: int) -> Sequence[Payload]:
        """The container's predictions, one a row.

        Raises: ContractViolation if they do not match the schema, or are more or fewer than the rows.
        """
        try:
            predictions = cast(Any, self._parse_answer(content)).predictions
        except ValidationError as error:
            problems = problems_of(error)
            message = f"the model's answer does not match the schema in {error.error_count()} places"
            raise ContractViolation(message, problems) from None
        if len(predictions) != rows:
            raise ContractViolation(f"the model answered {len(predictions)} predictions to {rows} rows")
        return cast(Sequence[Payload], predictions)
