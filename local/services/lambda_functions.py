"""Finds functions in moto's state, as the Lambda service needs them: looked up at each invocation, by name.

So CreateFunction, UpdateFunctionCode and the rest need no hook: a function that has changed is another value.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from moto.awslambda.exceptions import GenericResourcNotFound, UnknownAliasException, UnknownFunctionException
from moto.awslambda.models import LambdaBackend, lambda_backends
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends

from local.lambda_code import unpack, unpack_layers
from local.services.lambda_ import FindFunction
from local.services.lambda_function import LATEST, EventHandling, Function, Logging
from model_packages.errors import OperatorError

NOT_FOUND = (GenericResourcNotFound, UnknownAliasException, UnknownFunctionException)


class NotAPythonFunction(OperatorError):
    """A function of a kind that the local cloud cannot run."""


class LayerGone(OperatorError):
    """A function uses a layer version that was deleted; on AWS it would go on working."""


def moto_functions(
    *, account: str, region: str, code_folder: Path, random_fraction: Callable[[], float] = random.random
) -> FindFunction:
    """Finds the functions of one account and region; their code is unpacked below `code_folder`.

    `random_fraction` decides where an alias divides its calls between two versions.
    """

    def find(name: str, qualifier: str | None) -> Function | None:
        backend = lambda_backends[account][region]
        try:
            stored = backend.get_function(name, _version(backend, name, qualifier, random_fraction))
            latest = backend.get_function(name)
        except NOT_FOUND:
            return None
        return _function(stored, latest=latest, backend=backend, code_folder=code_folder)

    return find


def _version(
    backend: LambdaBackend, name: str, qualifier: str | None, random_fraction: Callable[[], float]
) -> str | None:
    """The version that a call with this qualifier runs: an alias may give another one a part of its calls."""
    if qualifier is None or qualifier == LATEST or qualifier.isdigit():
        return qualifier
    alias = backend.get_alias(qualifier, name)
    routing: Any = alias.routing_config  # moto calls it a str; it is what the request had
    weights = (routing or {}).get("AdditionalVersionWeights") or {}
    fraction = random_fraction() if weights else 0.0
    for version, weight in weights.items():
        if fraction < weight:
            return str(version)
        fraction -= weight
    return str(alias.function_version)


def _function(stored: Any, *, latest: Any, backend: LambdaBackend, code_folder: Path) -> Function:
    """moto's record as a Function. Raises NotAPythonFunction."""
    if stored.package_type != "Zip" or not str(stored.run_time).startswith("python"):
        kind = "a container image" if stored.package_type != "Zip" else f"the runtime {stored.run_time}"
        raise NotAPythonFunction(f"the local cloud runs zip functions for Python; {stored.function_name} uses {kind}")
    layers = [layer["Arn"] for layer in stored.layers]
    reserved = latest.reserved_concurrency
    return Function(
        name=stored.function_name,
        arn=latest.function_arn,
        handler=stored.handler,
        code_revision=stored.code_sha_256,
        open_code=partial(unpack, stored.code_bytes, code_folder),
        open_layers=partial(_open_layers, backend, layers, code_folder),
        layers=tuple(layers),
        environment=_variables(stored.environment_vars),
        timeout_seconds=float(stored.timeout),
        memory_mb=int(stored.memory_size),
        role_arn=stored.role,
        runtime=stored.run_time,
        version=version_of(stored),
        logging=_logging(getattr(stored, "logging_config", None) or {}),
        reserved_concurrency=None if reserved is None else int(reserved),
        events=_events(latest, dead_letters=getattr(stored, "dead_letter_config", None) or {}),
    )


def version_of(stored: Any) -> str:
    """`$LATEST`, or the number of a published version."""
    tail = stored.function_arn.rpartition(":")[2]
    return str(tail) if tail.isdigit() else LATEST


@dataclass(frozen=True, slots=True)
class MotoAccount:
    """What Lambda's checks have to know of moto's state."""

    account: str
    region: str

    def object_bytes(self, bucket: str, key: str, version: str | None) -> bytes | None:
        try:
            found = s3_backends[self.account]["aws"].get_object(bucket, key, version_id=version)
        except MissingBucket:
            return None
        return None if found is None else bytes(found.value)

    def layer_bytes(self, arn: str) -> bytes | None:
        return _layer_bytes(self._backend, arn)

    def layers_of(self, function_name: str) -> Sequence[str]:
        function = self._find(function_name)
        return [] if function is None else [layer["Arn"] for layer in function.layers]

    def code_of(self, function_name: str) -> bytes | None:
        function = self._find(function_name)
        return None if function is None else getattr(function, "code_bytes", None)

    def reserved_besides(self, function_name: str) -> int:
        functions = self._backend.list_functions()
        return sum(int(one.reserved_concurrency or 0) for one in functions if one.function_name != function_name)

    def reserved(self) -> int:
        """The concurrency that all functions together reserve."""
        return self.reserved_besides("")

    def _find(self, name: str) -> Any:
        try:
            return self._backend.get_function(name)
        except NOT_FOUND:
            return None

    @property
    def _backend(self) -> LambdaBackend:
        return lambda_backends[self.account][self.region]


def _open_layers(backend: LambdaBackend, arns: Sequence[str], code_folder: Path) -> Path | None:
    if not arns:
        return None
    zips = [_layer_bytes(backend, arn) for arn in arns]
    gone = [arn for arn, zipped in zip(arns, zips, strict=True) if zipped is None]
    if gone:
        raise LayerGone(f"the layer version {', '.join(gone)} was deleted; publish it again and name it in Layers")
    return unpack_layers([zipped for zipped in zips if zipped is not None], code_folder)


def _layer_bytes(backend: LambdaBackend, arn: str) -> bytes | None:
    layer = backend.layers_versions_by_arn(arn)
    return None if layer is None else layer.code_bytes


def _variables(environment: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in environment.items()}


def _logging(config: Mapping[str, str]) -> Logging:
    json_format = config.get("LogFormat") == "JSON"
    return Logging(
        json_format=json_format,
        application_level=config.get("ApplicationLogLevel", "INFO") if json_format else None,
        system_level=config.get("SystemLogLevel", "INFO"),
        group=config.get("LogGroup", ""),
    )


def _events(latest: Any, *, dead_letters: Mapping[str, str]) -> EventHandling:
    # moto appends each new config and shows the first; what was said last is what holds.
    config = latest.event_invoke_config[-1].config if latest.event_invoke_config else {}
    destinations = config.get("DestinationConfig") or {}
    return EventHandling(
        maximum_retry_attempts=int(config.get("MaximumRetryAttempts", 2)),
        maximum_age_seconds=float(config.get("MaximumEventAgeInSeconds", 6 * 3600)),
        on_success=(destinations.get("OnSuccess") or {}).get("Destination") or None,
        on_failure=(destinations.get("OnFailure") or {}).get("Destination") or None,
        dead_letters=dead_letters.get("TargetArn") or None,
    )
