"""The predictions that a freshly loaded model has to make before it may serve: they build what is built on first
use, and they find a broken package before a caller does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from container.inference import Predictor
from container.package import read_examples, synthetic_request
from model_packages.errors import ContractViolation, FieldProblem
from model_packages.fields import Payload


def warm_up(predictor: Predictor) -> None:
    """Predicts the package's first example, or a synthetic request: alone, as a pair, and as the largest batch.

    A pair, because an output without a batch axis can look right for one row. Raises: what prediction raises, and
    ContractViolation if the answer is not what the package's Response says.
    """
    examples = read_examples(predictor.package)
    request = examples[0].request if examples else synthetic_request(predictor.interface.request_fields)
    row = predictor.row(request)
    for count in sorted({1, 2, predictor.package.config.batching.maximum_rows}):
        for response in predictor.forward([row] * count):
            require_valid(response, predictor.interface.response)


def require_valid(content: Mapping[str, Any], payload: type[Payload]) -> None:
    """Raises: ContractViolation that names every field of `content` that is not as `payload` says."""
    try:
        payload.model_validate_json(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))
    except ValidationError as error:
        problems = [
            FieldProblem(
                pointer="/" + "/".join(map(str, details["loc"])),
                code=details["type"],
                found=repr(details["input"])[:80],
                allowed=details["msg"],
            )
            for details in error.errors(include_url=False)
        ]
        shown = "; ".join(f"{problem.pointer[1:]}: found {problem.found}: {problem.allowed}" for problem in problems)
        raise ContractViolation(f"found no valid {payload.__name__}: {shown}", problems) from error
