"""The verb `train`: makes a version from a training job's channels, loads it as the server would, and measures it.

The same data and seed give the same version on a CPU. Where a job has several hosts, all of them train and the first
one does the rest.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch

from container.evaluation import Evaluation, evaluate
from container.failure import failure_file, write_failure
from container.fitting import EXIT_FAILED, fit
from container.inference import Predictor, load_predictor
from container.logs import log_to
from container.package import locate
from container.settings import BASELINE_FOLDER, MANIFEST, Settings
from container.training_job import HOLDOUT, TRAINING, TrainingJob
from model_packages.dataset import Record, read_records
from model_packages.interface import load_interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.constraints import check_overrides
from model_packages.profile.documents import baseline_files
from model_packages.profile.learning import build_baseline, sample
from model_packages.profile.quality import Labelled
from model_packages.profile.quality_baseline import QUALITY, build_quality_baseline
from model_packages.profile.quality_fields import quality_fields

EXIT_STOPPED = 128 + signal.SIGTERM
METRICS = "metrics.json"
PREDICTED_ROWS = 20_000
"""The model's answers are profiled on at most this many records: those that it has not learnt, where there are any."""

logger = logging.getLogger(__name__)


class Stopped(BaseException):
    """SIGTERM came: a spot interruption or a stopped job. No `except Exception` of a package may swallow it."""


def run(settings: Settings) -> int:
    """Trains and measures one version, and returns the exit code."""
    log_to(sys.stdout)
    failure_file(settings.ml_root).unlink(missing_ok=True)
    try:
        with _stopped_by_sigterm():
            job = TrainingJob.read(settings.ml_root)
            if job.is_on_first_host:
                train(settings.package, job)
            else:
                fit(settings.package, job)  # the first host makes the version of what all have trained
    except Stopped as stopped:
        write_failure(settings.ml_root, stopped)
        return EXIT_STOPPED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is why the job failed
        write_failure(settings.ml_root, error)
        return EXIT_FAILED
    return 0


def train(package: str, job: TrainingJob) -> Evaluation:
    """Runs the package's train() and evaluate(), and writes the version, flyball.json, its baseline and metrics.json.

    Raises: OperatorError if the job or the package is wrong, and whatever the package raises.
    """
    interface, config = load_interface(package), locate(package).config
    check_overrides(package, config.monitor, [*interface.request_fields, *interface.response_fields])
    quality_fields(interface, config)  # what is wrong is told before the training, not after it
    training = read_records(job.channels[TRAINING])
    fit(package, job)
    predictor = load_predictor(package, job.model_dir)
    evaluation, holdout = _measure(predictor, job)
    unseen = sample(holdout or training, PREDICTED_ROWS)
    answers = predictor.predict([record["request"] for record in unseen])
    requests = [record["request"] for record in (*training, *holdout)]
    baseline = build_baseline(interface, requests=requests, responses=answers)
    quality = _quality_files(predictor, unseen, answers) if holdout else {}
    files = {**baseline_files(baseline, config.monitor), **quality}
    for folder in (job.model_dir, job.output_data_dir):
        _write_texts(folder / BASELINE_FOLDER, files)
    _write_json(job.model_dir / MANIFEST, _manifest(baseline, evaluation, training=training, holdout=holdout))
    _write_json(job.output_data_dir / METRICS, asdict(evaluation))
    logger.info("the version is trained", extra={"metrics": evaluation.metrics})
    return evaluation


def _measure(predictor: Predictor, job: TrainingJob) -> tuple[Evaluation, list[Record]]:
    if HOLDOUT not in job.channels:
        logger.warning("there is no channel %r: the version has no metrics", HOLDOUT)
        return Evaluation(metrics={}, slices={}), []
    records = read_records(job.channels[HOLDOUT])
    return evaluate(predictor, records), records


def _quality_files(
    predictor: Predictor, holdout: Sequence[Record], answers: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """How good the version is on its holdout, for the monitor; nothing where nothing says how that is measured."""
    fields = quality_fields(predictor.interface, predictor.package.config)
    if fields is None:
        return {}
    rows = [
        Labelled(str(index), answer, record["label"])
        for index, (answer, record) in enumerate(zip(answers, holdout, strict=True))
    ]
    return {QUALITY: build_quality_baseline(fields, rows).to_json()}


def _manifest(
    baseline: Baseline, evaluation: Evaluation, *, training: list[Record], holdout: list[Record]
) -> dict[str, Any]:
    """What is known of the version. It has no time in it: the same data and seed give the same archive."""
    return {
        "package": baseline.package,
        "schema_hash": baseline.schema_hash,
        "baseline": baseline.identity,
        "metrics": evaluation.metrics,
        "slices": evaluation.slices,
        "records": {TRAINING: len(training), HOLDOUT: len(holdout)},
        "torch": torch.__version__,
    }


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped("stopped by SIGTERM before the version was finished (a spot interruption or a stopped job)")


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
