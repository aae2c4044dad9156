"""A package's model with everything between a request and its answer: the one path that serving, evaluation,
behaviours and the conformance tests share, so that all of them see what callers see.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import torch

from container.device import autocast_dtype, has_bfloat16, pick_device
from container.package import locate
from container.tensors import Block, Row, Tensoriser, Unfit, row_of, stack, without_default
from model_packages.contract import Batching
from model_packages.discovery import ModelPackage
from model_packages.errors import ContractViolation, PackageError, PackageProblem
from model_packages.fields import FieldSpec, Kind
from model_packages.interface import Interface, load_interface

Batch = dict[str, torch.Tensor]
OPTIONAL_HOOKS = ("input_fn", "predict_fn", "output_fn")


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a package's inference.py defines."""

    model_fn: Callable[[Path], torch.nn.Module]
    input_fn: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    predict_fn: Callable[[Batch, torch.nn.Module], Mapping[str, torch.Tensor]] | None = None
    output_fn: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None

    @classmethod
    def of(cls, package: str) -> Self:
        """Imports the package's inference.py. Raises: PackageError if it fails or a hook is not callable."""
        module = import_module(package, "inference")
        for name in ("model_fn", *OPTIONAL_HOOKS):
            hook = getattr(module, name, None)
            if not callable(hook) and (name == "model_fn" or hook is not None):
                raise _problem(package, name, found=repr(hook), allowed=f"a function {name}")
        return cls(module.model_fn, *(getattr(module, name, None) for name in OPTIONAL_HOOKS))


def import_module(package: str, module: str) -> ModuleType:
    """One module of a package, imported. Raises: PackageError if the import fails."""
    try:
        return importlib.import_module(f"model_packages.{package}.{module}")
    except Exception as error:
        raise PackageError(
            [
                PackageProblem(
                    file=f"{package}/{module}.py",
                    key="import",
                    found=f"{type(error).__name__}: {error}",
                    allowed="a module that imports with the package's requirements.txt",
                )
            ]
        ) from error


def load_predictor(package: str, model_dir: Path) -> Predictor:
    """The package's model from `model_dir`, on the best device there is, ready to predict.

    Raises: OperatorError if there is no such package, PackageError if it breaks the contract, and whatever its
    model_fn raises.
    """
    found = locate(package)
    interface, hooks, device = load_interface(package), Hooks.of(package), pick_device()
    return Predictor(
        package=found, interface=interface, hooks=hooks, model=_load_model(package, hooks, model_dir), device=device
    )


def _load_model(package: str, hooks: Hooks, model_dir: Path) -> torch.nn.Module:
    model: object = hooks.model_fn(model_dir)
    if not isinstance(model, torch.nn.Module):
        raise _problem(package, "model_fn", found=type(model).__name__, allowed="a torch.nn.Module")
    return model


class Predictor:
    """Requests in, responses out. `row` may run on any thread; `forward` belongs to one."""

    def __init__(
        self, *, package: ModelPackage, interface: Interface, hooks: Hooks, model: torch.nn.Module, device: torch.device
    ) -> None:
        self.package, self.interface, self.device = package, interface, device
        self._hooks, self._model = hooks, model.to(device).eval()
        self._defaults = _defaults(interface)
        self._tensoriser = Tensoriser(interface.request_fields, defaults=self._defaults)
        self._outputs = tuple(interface.response_fields)
        self._autocast = autocast_dtype(
            package.config.batching.precision, device_type=device.type, has_bfloat16=has_bfloat16(device)
        )
        if hooks.input_fn is None:
            _refuse_fields_without_default(package.name, interface.request_fields)

    def predict(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One response a request, in their order; computed in batches as the server would form them.

        Raises: InvalidRequest for a request of wrong types, PackageError or ContractViolation for a package that
        breaks the contract, and whatever the package's functions raise.
        """
        rows = [self.row(request) for request in requests]
        responses: dict[int, dict[str, Any]] = {}
        for indices in _batches(rows, self.package.config.batching):
            responses |= zip(indices, self.forward([rows[index] for index in indices]), strict=True)
        return [responses[index] for index in range(len(rows))]

    def row(self, request: Mapping[str, Any]) -> Row:
        """Checks the types and shapes of `request` and makes the model's row of it. Raises: InvalidRequest."""
        if self._hooks.input_fn is None:
            return self._tensoriser.row(request)
        self._tensoriser.convert(request)
        values: object = self._hooks.input_fn({**self._defaults, **request})
        if not isinstance(values, Mapping):
            raise self._broken(
                "input_fn", found=type(values).__name__, allowed="a dict of named numbers, lists or arrays"
            )
        try:
            return row_of(values)
        except Unfit as unfit:
            raise self._broken("input_fn", found=unfit.found, allowed=unfit.allowed) from unfit

    def forward(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Computes one batch of rows of one signature."""
        blocks = stack(rows)
        with torch.inference_mode(), self._casting():
            columns = {name: tensor for block in blocks for name, tensor in self._tensors(block)}
            outputs = self._compute({name: columns[name] for name, *_ in rows[0].signature})
        return [self._respond(row) for row in self._rows_of(outputs, count=len(rows))]

    def _tensors(self, block: Block) -> Iterator[tuple[str, torch.Tensor]]:
        tensor = torch.from_numpy(block.array).to(self.device, non_blocking=True)
        return zip(block.names, tensor.unbind(0) if block.is_scalar else (tensor,), strict=True)

    def _casting(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._autocast is None else torch.autocast(self.device.type, dtype=self._autocast)

    def _compute(self, batch: Batch) -> object:
        predict_fn = self._hooks.predict_fn
        return self._model(batch) if predict_fn is None else predict_fn(batch, self._model)

    def _rows_of(self, outputs: object, *, count: int) -> Iterator[dict[str, Any]]:
        hook = "predict_fn" if self._hooks.predict_fn else "the model"
        if not isinstance(outputs, Mapping) or not outputs:
            found = "an empty dict" if isinstance(outputs, Mapping) else type(outputs).__name__
            raise self._broken(hook, found=found, allowed="a dict of named tensors")
        for name, tensor in outputs.items():
            if not isinstance(tensor, torch.Tensor):
                raise self._broken(hook, found=f"{name!r} of type {type(tensor).__name__}", allowed="a tensor")
            if tensor.dim() == 0 or tensor.shape[0] != count:
                raise self._broken(
                    hook,
                    found=f"{name!r} of shape {list(tensor.shape)} for {count} rows",
                    allowed=f"a leading batch axis: [{count}, ...]",
                )
        columns = [tensor.tolist() for tensor in outputs.values()]
        return (dict(zip(outputs, values, strict=True)) for values in zip(*columns, strict=True))

    def _respond(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._hooks.output_fn is None:
            return {field.name: _labelled(field, row[field.name]) for field in self._outputs if field.name in row}
        response: object = self._hooks.output_fn(row)
        if not isinstance(response, Mapping):
            raise self._broken("output_fn", found=type(response).__name__, allowed="a dict of the Response's fields")
        return dict(response)

    def _broken(self, hook: str, *, found: str, allowed: str) -> PackageError:
        return _problem(self.package.name, hook, found=found, allowed=allowed)


def _defaults(interface: Interface) -> dict[str, Any]:
    """What the schema says of fields that a request leaves out."""
    return {field.name: field.default for field in interface.request_fields if not field.required}


def _refuse_fields_without_default(package: str, fields: Sequence[FieldSpec]) -> None:
    names = [field.name for field in without_default(fields)]
    if names:
        raise _problem(
            package,
            "input_fn",
            found=f"nothing, and fields that have no default conversion: {', '.join(names)}",
            allowed="a function input_fn(request) where a field is text, or a tensor or image that may be missing",
        )


def _batches(rows: Sequence[Row], limits: Batching) -> Iterator[list[int]]:
    """Indices of rows that may share a forward pass: of one signature, within the package's bounds."""
    groups: dict[Any, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.signature, []).append(index)
    for indices in groups.values():
        size_bytes = max(1, rows[indices[0]].size_bytes)
        length = max(1, min(limits.maximum_rows, limits.maximum_bytes // size_bytes))
        yield from (indices[start : start + length] for start in range(0, len(indices), length))


def _labelled(field: FieldSpec, value: Any) -> Any:
    if field.kind is not Kind.CATEGORY or type(value) is not int:
        return value
    if not 0 <= value < len(field.categories):
        raise ContractViolation(
            f"{field.name} is {value}; allowed: 0 to {len(field.categories) - 1}, a category's index"
        )
    return field.categories[value]


def _problem(package: str, key: str, *, found: str, allowed: str) -> PackageError:
    return PackageError([PackageProblem(file=f"{package}/inference.py", key=key, found=found, allowed=allowed)])
