"""The verb `evaluate`: champion and challenger before the same holdout, as evidence for the gate, which judges it.

A challenger that does not load fails the job, and so does a machine that is full. A champion that does not load, or
that was made from another schema, leaves nothing to compare with; the job's message says so, and what was found.
"""

from __future__ import annotations

import errno
import logging
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

import torch

from container.answers import Holdout, Side, remembering
from container.calibration import calibration_error
from container.comparison import Comparison, Contest, Effort, measured
from container.conformance import BEHAVIOUR, behaviours
from container.evaluation import Evaluation, measure
from container.evaluation_job import AnotherPackage, EvaluationJob, unpack
from container.inference import Predictor, load_predictor
from container.latency import p99_latencies_ms
from container.logs import log_to
from container.settings import Settings
from container.version import check_origin
from container.warm_up import warm_up
from model_packages.evidence import Evidence, ModelEvidence
from model_packages.profile.quality_fields import quality_fields

EXIT_FAILED = 1
MACHINE_ERRORS = (errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ENOSPC)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A model that has answered the holdout, and what it was unpacked from."""

    predictor: Predictor
    side: Side
    model_dir: Path
    schema_hash: str
    size_bytes: int


def run(settings: Settings) -> int:
    """Evaluates, and returns the exit code."""
    log_to(sys.stdout)
    job = EvaluationJob(settings.ml_root)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        job.tell(evaluate(settings.package, job))
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        job.tell(reason)
        logger.exception("the evaluation failed")
        logger.critical("%s", reason)
        return EXIT_FAILED
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def evaluate(package: str, job: EvaluationJob, *, effort: Effort | None = None) -> str:
    """Writes the evidence, and returns in a sentence what it says.

    Raises: OperatorError if the job is wrong, and whatever keeps the challenger from answering the holdout.
    """
    holdout = Holdout(job.holdout())
    with tempfile.TemporaryDirectory() as scratch:

        def load(archive: Path) -> Contender:
            return _load(archive, Path(scratch) / archive.parent.name, package=package, holdout=holdout)

        challenger = load(job.challenger)
        champion, why_none = champion_of(job.champion, load)
        comparison = _compared(challenger, champion, holdout, effort=effort or Effort(), why_none=why_none)
        evidence = _evidence(challenger, champion, holdout, comparison)
        job.write(evidence, model_dir=challenger.model_dir)
    told = _told(evidence, comparison)
    logger.info(told, extra={"draws": comparison.draws})
    return told


def _load(archive: Path, model_dir: Path, *, package: str, holdout: Holdout) -> Contender:
    """Raises: OperatorError for a wrong archive, and whatever keeps the model from answering."""
    schema_hash = unpack(archive, model_dir, package=package)
    predictor = load_predictor(package, model_dir)
    check_origin(model_dir, predictor.interface)
    warm_up(predictor)
    return Contender(
        predictor=predictor,
        side=Side(predictor.predict(holdout.requests), remembering(predictor.predict)),
        model_dir=model_dir,
        schema_hash=schema_hash,
        size_bytes=archive.stat().st_size,
    )


def champion_of(archive: Path | None, load: Callable[[Path], Contender]) -> tuple[Contender | None, str]:
    """The champion, or why there is none to compare with. Another package's archive is no champion, but a mistake."""
    if archive is None:
        return None, "there is no champion"
    try:
        return load(archive), ""
    except AnotherPackage:
        raise
    except Exception as error:
        if _is_the_machines(error):
            raise
        logger.warning("the champion does not answer", exc_info=error)
        return None, f"the champion does not answer: {type(error).__name__}: {error}"


def _is_the_machines(error: Exception) -> bool:
    """Whether the version is not to blame: on another machine it may answer, and then has to be compared with."""
    if isinstance(error, OSError):
        return error.errno in MACHINE_ERRORS
    return isinstance(error, MemoryError | torch.OutOfMemoryError)


def _compared(
    challenger: Contender, champion: Contender | None, holdout: Holdout, *, effort: Effort, why_none: str
) -> Comparison:
    package = challenger.predictor.package
    evaluating, gate = partial(measure, package.name), package.config.gate
    if champion is None:
        alone = measured(evaluating, holdout, challenger.side)
        return Comparison(challenger=alone.evaluation, why_not="; ".join(filter(None, (why_none, alone.problem))))
    return Contest(
        holdout=holdout,
        champion=champion.side,
        challenger=challenger.side,
        measure=evaluating,
        compare=gate.compare or gate.metric,
        metric=gate.metric,
        confidence=gate.confidence,
        monitor=package.config.monitor,
        effort=effort,
    ).decide()


def _evidence(challenger: Contender, champion: Contender | None, holdout: Holdout, comparison: Comparison) -> Evidence:
    package = challenger.predictor.package
    contenders = [challenger, champion] if champion else [challenger]
    evaluations = [comparison.challenger, comparison.champion]
    latencies = p99_latencies_ms([each.predictor.predict for each in contenders], holdout.requests)
    models = [_model(*each, holdout=holdout) for each in zip(contenders, evaluations, latencies, strict=False)]
    return Evidence(
        package=package.name,
        metric=package.config.gate.metric,
        compare=package.config.gate.compare or package.config.gate.metric,
        confidence=package.config.gate.confidence,
        rows=len(holdout.records),
        challenger=models[0],
        champion=models[1] if champion else None,
        compared=comparison.compared,
        slices=comparison.slices,
    )


def _model(contender: Contender, evaluation: Evaluation, p99_latency_ms: float, *, holdout: Holdout) -> ModelEvidence:
    predictor = contender.predictor
    findings = list(behaviours(predictor))
    fields = quality_fields(predictor.interface, predictor.package.config)
    return ModelEvidence(
        metrics=evaluation.metrics,
        failed_behaviours={each.check.removeprefix(BEHAVIOUR): each.detail for each in findings if not each.passed},
        behaviours=len(findings),
        calibration_error=calibration_error(fields, contender.side.answers, holdout.records),
        p99_latency_ms=p99_latency_ms,
        size_bytes=contender.size_bytes,
        schema_hash=contender.schema_hash,
    )


def _told(evidence: Evidence, comparison: Comparison) -> str:
    """What the job's message says: the gain, or why there is none, and which behaviours fail."""
    found, failed = evidence.compared, sorted(evidence.challenger.failed_behaviours)
    behaves = f"; the challenger fails {', '.join(failed)}" if failed else ""
    if found is None:
        return f"nothing is compared on {evidence.rows} records: {comparison.why_not}{behaves}"
    return (
        f"{evidence.compare} is {found.challenger:.4g}, the champion's {found.champion:.4g}, on {found.rows} records: "
        f"a gain of {found.gain:+.4g}, and with {evidence.confidence:.3g} confidence of at least {found.low:+.4g}, or "
        f"at most {found.high:+.4g}{behaves}"
    )


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit("stopped by SIGTERM before the evaluation was finished")
