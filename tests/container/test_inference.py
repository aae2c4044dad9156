"""The whole path from requests to responses, for packages with and without hooks of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from container.inference import Hooks, Predictor, load_predictor
from container.package import locate
from container.warm_up import warm_up
from model_packages.errors import ContractViolation, InvalidRequest, OperatorError, PackageError
from model_packages.interface import load_interface

REQUEST: dict[str, Any] = {
    "length": 1.0,
    "count": 2,
    "is_ripe": True,
    "colour": "red",
    "spectrum": [1.0, 2.0, 3.0],
    "photo": [[0.25, 0.25], [0.25, 0.25]],
}


def predictor(package: str, hooks: Hooks) -> Predictor:
    return Predictor(
        package=locate(package),
        interface=load_interface(package),
        hooks=hooks,
        model=hooks.model_fn(Path()),
        device=torch.device("cpu"),
    )


def with_predict_fn(predict_fn: Callable[[dict[str, Tensor], nn.Module], Any]) -> Predictor:
    return predictor("mixed", Hooks(model_fn=lambda _: nn.Identity(), predict_fn=predict_fn))


def test_the_schema_alone_turns_requests_into_responses(tmp_path: Path) -> None:
    found = load_predictor("mixed", tmp_path).predict([REQUEST, {**REQUEST, "scale": 1.0, "colour": "green"}])

    assert found == [
        {"total": 80.0, "colour": "red", "ripe": True},
        {"total": 8.0, "colour": "green", "ripe": True},
    ]


def test_the_hooks_of_a_package_are_used_and_rows_of_different_shape_keep_their_order(tmp_path: Path) -> None:
    texts = ["bb", "a", "cc", "dddd", "e"]

    found = load_predictor("texts", tmp_path).predict([{"text": text} for text in texts])

    assert [chr(round(answer["score"])) for answer in found] == ["b", "a", "c", "d", "e"]


def test_an_input_fn_sees_missing_fields_as_none(tmp_path: Path) -> None:
    assert load_predictor("texts", tmp_path).predict([{"text": "a", "weight": 2.0}, {"text": "a"}]) == [
        {"score": 194.0},
        {"score": 97.0},
    ]


def test_no_batch_is_larger_than_the_package_allows() -> None:
    sizes: list[int] = []

    def predict_fn(batch: dict[str, Tensor], _model: nn.Module) -> dict[str, Tensor]:
        sizes.append(len(batch["length"]))
        return {"total": batch["length"]}

    with_predict_fn(predict_fn).predict([REQUEST] * 20)

    assert sizes == [8, 8, 4]


def test_prediction_runs_without_gradients() -> None:
    modes: list[bool] = []

    def predict_fn(batch: dict[str, Tensor], _model: nn.Module) -> dict[str, Tensor]:
        modes.append(torch.is_inference_mode_enabled())
        return {"total": batch["length"]}

    with_predict_fn(predict_fn).predict([REQUEST])

    assert modes == [True]


def test_a_request_of_wrong_types_is_refused_also_where_the_package_has_an_input_fn(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        load_predictor("texts", tmp_path).predict([{"text": 1}])


def test_a_package_with_text_needs_an_input_fn() -> None:
    with pytest.raises(PackageError, match=r"texts/inference.py: input_fn: found nothing.*: text"):
        predictor("texts", Hooks(model_fn=lambda _: nn.Identity()))


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        (lambda _: torch.zeros(1), "found Tensor; allowed: a dict of named tensors"),
        (lambda _: {}, "found an empty dict"),
        (lambda _: {"total": 1.0}, "'total' of type float"),
        (lambda _: {"total": torch.tensor(1.0)}, r"'total' of shape \[\] for 2 rows; allowed: a leading batch axis"),
        (lambda _: {"total": torch.zeros(1)}, r"'total' of shape \[1\] for 2 rows"),
    ],
)
def test_outputs_without_a_batch_axis_are_the_packages_fault(
    outputs: Callable[[Mapping[str, Tensor]], Any], complaint: str
) -> None:
    broken = with_predict_fn(lambda batch, _model: outputs(batch))

    with pytest.raises(PackageError, match=complaint):
        broken.predict([REQUEST, REQUEST])


def test_an_index_beyond_the_categories_is_a_contract_violation() -> None:
    broken = with_predict_fn(lambda batch, _model: {"colour": torch.full_like(batch["count"], 7)})

    with pytest.raises(ContractViolation, match="colour is 7; allowed: 0 to 1"):
        broken.predict([REQUEST])


def test_an_input_fn_that_returns_no_numbers_is_the_packages_fault() -> None:
    broken = predictor("mixed", Hooks(model_fn=lambda _: nn.Identity(), input_fn=lambda _: {"x": "text"}))

    with pytest.raises(PackageError, match=r"input_fn: found 'x' of type"):
        broken.predict([REQUEST])


def test_the_warm_up_refuses_an_answer_that_is_no_response() -> None:
    broken = with_predict_fn(lambda batch, _model: {"total": batch["length"]})

    with pytest.raises(ContractViolation, match="found no valid Response: colour"):
        warm_up(broken)


def test_the_warm_up_needs_no_examples(tmp_path: Path) -> None:
    warm_up(load_predictor("mixed", tmp_path))


def test_an_unknown_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no model package is called 'contract'"):
        load_predictor("contract", tmp_path)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.gpu
def test_half_precision_answers_nearly_as_float32(precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    package = locate("mixed")
    batching = package.config.batching.model_copy(update={"precision": precision})
    config = package.config.model_copy(update={"batching": batching})
    hooks = Hooks.of("mixed")

    half = Predictor(
        package=type(package)(name=package.name, path=package.path, config=config),
        interface=load_interface("mixed"),
        hooks=hooks,
        model=hooks.model_fn(Path()),
        device=torch.device("cuda"),
    )

    assert half.predict([REQUEST])[0]["total"] == pytest.approx(80.0, rel=0.02)
