"""The verb `check`: does a package with a trained version keep the contract? Each check is one function, and its
outcome a Finding; nothing is written beside temporary copies.
"""

from __future__ import annotations

import inspect
import json
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from container.inference import Predictor, import_module, load_predictor
from container.package import Example, locate, read_examples, synthetic_request
from container.settings import BASELINE_FOLDER
from container.version import check_origin, read_manifest
from container.warm_up import require_valid
from model_packages.errors import OperatorError, PackageError
from model_packages.interface import Interface, load_interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.documents import BASELINE
from model_packages.profile.quality_baseline import QUALITY, QualityBaseline
from model_packages.profile.quality_fields import quality_fields, why_none

BATCH_TOLERANCE = 1e-4
BEHAVIOUR = "behaviour: "
"""Before the name of a behavioural test, among the findings."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `detail` says what was measured, or what is wrong."""

    check: str
    passed: bool
    detail: str


class Broken(Exception):
    """A check did not pass; the message says what was found and what is allowed."""


Check = Callable[[], str]


def run(package: str, model_dir: Path, *, as_json: bool) -> int:
    """Prints every finding, and returns 0 if all passed, else 1."""
    findings = check(package, model_dir)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print("\n".join(map(_line, findings)))
    return 0 if all(finding.passed for finding in findings) else 1


def check(package: str, model_dir: Path) -> list[Finding]:
    """Every finding on `package` with the version in `model_dir`. What needs a model is left out if none loads.

    Raises: OperatorError if there is no such package, or no folder `model_dir`.
    """
    locate(package)
    if not model_dir.is_dir():
        raise OperatorError(f"there is no folder {model_dir}; allowed: the unpacked version, for example of `train`")
    with _read_only_copy(model_dir) as copy:
        return list(_findings(package, copy))


def same_answer(found: Any, expected: Any, *, tolerance: float) -> bool:
    """Whether numbers differ by `tolerance` at most, and everything else not at all."""
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == expected.keys()
            and all(same_answer(found[key], expected[key], tolerance=tolerance) for key in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(same_answer(*pair, tolerance=tolerance) for pair in zip(found, expected, strict=True))
        )
    if _is_number(expected) and _is_number(found):
        return bool(abs(found - expected) <= tolerance)
    return type(found) is type(expected) and bool(found == expected)


def _findings(package: str, model_dir: Path) -> Iterator[Finding]:
    before = _contents(model_dir)
    schema = _find("schema", lambda: _schema(load_interface(package)))
    yield schema
    if not schema.passed:
        return
    try:
        predictor = load_predictor(package, model_dir)
    except Exception as error:  # noqa: BLE001 - whatever a package raises is the finding
        yield Finding(check="model", passed=False, detail=f"{type(error).__name__}: {error}")
        return
    yield Finding(check="model", passed=True, detail=f"loads from a read-only folder, on {predictor.device}")
    for name, run_check in _checks(predictor, model_dir):
        yield _find(name, run_check)
    yield from behaviours(predictor)
    yield _find("model folder", lambda: _unchanged(model_dir, before))


def _checks(predictor: Predictor, model_dir: Path) -> Iterator[tuple[str, Check]]:
    examples = read_examples(predictor.package)
    for example in examples:
        yield f"example: {example.name}", partial(_example, predictor, example)
    yield "missing fields", partial(_missing_fields, predictor, examples)
    yield "batch", partial(_batch, predictor, examples)
    yield "version", partial(_version, predictor, model_dir)
    yield "gate", partial(_gate, predictor, model_dir)
    yield "baseline", partial(_baseline, predictor, model_dir)
    yield "live quality", partial(_quality, predictor, model_dir)


def _find(name: str, run_check: Check) -> Finding:
    try:
        return Finding(check=name, passed=True, detail=run_check())
    except Broken as broken:
        return Finding(check=name, passed=False, detail=str(broken))
    except Exception as error:  # noqa: BLE001 - whatever a package raises is the finding
        return Finding(check=name, passed=False, detail=f"{type(error).__name__}: {error}")


def _schema(interface: Interface) -> str:
    if "instances" in {field.name for field in interface.request_fields}:
        raise Broken("Request has a field called 'instances'; allowed: any other name, because a body may be a batch")
    count = len(interface.request_fields), len(interface.response_fields), len(interface.label_fields)
    return "{} request, {} response and {} label fields, schema {}".format(*count, interface.schema_hash)


def _example(predictor: Predictor, example: Example) -> str:
    require_valid(example.request, predictor.interface.request)
    [response] = predictor.predict([example.request])
    require_valid(response, predictor.interface.response)
    if not same_answer(response, example.response, tolerance=example.tolerance):
        raise Broken(f"found {response}; allowed: {dict(example.response)} within {example.tolerance}")
    return f"the golden response within {example.tolerance}"


def _missing_fields(predictor: Predictor, examples: Sequence[Example]) -> str:
    """What may be missing is missing, in both ways that JSON has: no key, and null."""
    fields = predictor.interface.request_fields
    request = _requests(predictor, examples)[0]
    optional = {field.name for field in fields if not field.required}
    nullable = {field.name for field in fields if field.nullable}
    if not optional | nullable:
        return "no field may be missing"
    absent = {name: value for name, value in request.items() if name not in optional}
    null = {name: None if name in nullable else value for name, value in request.items()}
    for response in predictor.predict([absent, null]):
        require_valid(response, predictor.interface.response)
    return f"answers without {', '.join(sorted(optional | nullable))}"


def _batch(predictor: Predictor, examples: Sequence[Example]) -> str:
    requests = _requests(predictor, examples)
    together = predictor.predict(requests)
    for index, request in enumerate(requests):
        [alone] = predictor.predict([request])
        if not same_answer(together[index], alone, tolerance=BATCH_TOLERANCE):
            raise Broken(f"request {index}: found {together[index]} in a batch; allowed: {alone}, as when it is alone")
    return f"{len(requests)} requests are answered in a batch as one by one"


def behaviours(predictor: Predictor) -> Iterator[Finding]:
    """What each of the package's behavioural tests finds; one failure where they cannot be imported."""
    try:
        module = import_module(predictor.package.name, "behaviours")
    except PackageError as error:
        yield Finding(check="behaviours", passed=False, detail=str(error))
        return
    for name, behaviour in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_"):
            yield _find(BEHAVIOUR + name.removeprefix("test_"), partial(_behaviour, predictor, behaviour))


def _behaviour(predictor: Predictor, behaviour: Callable[..., None]) -> str:
    try:
        behaviour(predictor.predict)
    except AssertionError as error:
        raise Broken(str(error) or f"assertion failed: {_asserted(error)}") from error
    return inspect.getdoc(behaviour) or "holds"


def _version(predictor: Predictor, model_dir: Path) -> str:
    check_origin(model_dir, predictor.interface)
    return f"made from schema {predictor.interface.schema_hash}"


def _gate(predictor: Predictor, model_dir: Path) -> str:
    gate = predictor.package.config.gate
    found = read_manifest(model_dir).get("metrics", {}).get(gate.metric)
    if found is None or found < gate.minimum:
        raise Broken(f"{gate.metric} is {found} on the holdout; allowed: {gate.minimum} or more")
    return f"{gate.metric} is {found:.4g} on the holdout; at least {gate.minimum} is needed"


def _baseline(predictor: Predictor, model_dir: Path) -> str:
    """The monitor needs it, and `monitor.fields` has to fit it."""
    path = model_dir / BASELINE_FOLDER / BASELINE
    if not path.is_file():
        raise Broken(f"found no {BASELINE_FOLDER}/{BASELINE}; allowed: one written by the verb `train`")
    baseline = Baseline.from_json(path.read_bytes()).overridden(predictor.package.config.monitor)
    if baseline.schema_hash != predictor.interface.schema_hash:
        raise Broken(f"is of schema {baseline.schema_hash}; allowed: {predictor.interface.schema_hash}; train it again")
    return f"of {baseline.rows} requests in {baseline.cell_count} cells"


def _quality(predictor: Predictor, model_dir: Path) -> str:
    """Labels are compared with predictions by fields that both schemas have."""
    config, path = predictor.package.config, model_dir / BASELINE_FOLDER / QUALITY
    fields = quality_fields(predictor.interface, config)
    if fields is None:
        return f"predictions are not judged: {why_none(predictor.interface, config)}"
    if not path.is_file():
        return f"{fields.metric} of {fields.prediction} by {fields.label}; there was no holdout to compare with"
    baseline = QualityBaseline.from_json(path.read_bytes())
    if not baseline.compares(fields):
        raise Broken("the holdout was judged by other fields; allowed: those of monitor.quality; train it again")
    found = baseline.metrics.get(fields.metric)
    shown = "cannot be told" if found is None else f"is {found.value:.4g} ({found.low:.4g} to {found.high:.4g})"
    return f"{fields.metric} of {fields.prediction} by {fields.label} {shown} on {baseline.rows} held-out predictions"


def _unchanged(model_dir: Path, before: Mapping[str, tuple[int, int]]) -> str:
    """Root can write what is read-only, so the contents are compared."""
    now = _contents(model_dir)
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if changed:
        raise Broken(f"{', '.join(changed)} changed; allowed: only reading, because SageMaker mounts it read-only")
    return "is only read"


def _requests(predictor: Predictor, examples: Sequence[Example]) -> list[Mapping[str, Any]]:
    return [example.request for example in examples] or [synthetic_request(predictor.interface.request_fields)]


@contextmanager
def _read_only_copy(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "model"
        shutil.copytree(folder, copy)
        _set_modes(copy, file=0o444, folder=0o555)
        try:
            yield copy
        finally:
            _set_modes(copy, file=0o644, folder=0o755)


def _set_modes(root: Path, *, file: int, folder: int) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(folder if path.is_dir() else file)


def _contents(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def _asserted(error: AssertionError) -> str:
    return traceback.extract_tb(error.__traceback__)[-1].line or "an assert without a message"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(finding: Finding) -> str:
    return f"{'passed' if finding.passed else 'FAILED'}  {finding.check}: {finding.detail}"
