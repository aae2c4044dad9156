"""One training job: inputs, the container's process under its limits, outputs. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

from local.processes import Child
from local.services.sagemaker.model_server import Machine, container_base
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.training.board import JobBoard
from local.services.sagemaker.training.inputs import HOST, InputRefused, lay_out
from local.services.sagemaker.training.metrics import MetricReader
from local.services.sagemaker.training.outputs import CheckpointSync, OutputRefused, failure_text, upload_outputs
from local.services.sagemaker.training.record import (
    COMPLETED,
    LONGEST_REASON,
    STOPPED,
    Job,
    JobStatus,
    Outcome,
    Step,
    ended,
    entered,
    failed,
    stopping,
)
from local.services.sagemaker.training.request import JobPlan
from model_packages.errors import OperatorError

LOG_GROUP: Final = "/aws/sagemaker/TrainingJobs"
GRACE_SECONDS: Final = 120.0
"""SageMaker sends SIGTERM, and SIGKILL this much later."""

POLL_SECONDS: Final = 1.0
"""How often a job's limits are looked at and its checkpoints copied."""


class Cause(Enum):
    """Why a container was told to end."""

    STOP = STOPPED
    RUNTIME = Outcome(JobStatus.STOPPED, Step.MAX_RUNTIME_EXCEEDED)
    WAIT = Outcome(JobStatus.STOPPED, Step.MAX_WAIT_TIME_EXCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMachine:
    """What a job needs of its surroundings beside a model server's."""

    machine: Machine
    board: JobBoard
    grace_seconds: float = GRACE_SECONDS
    poll_seconds: float = POLL_SECONDS


class TrainingRun:
    """A job that carries out its plan once it is told to."""

    def __init__(self, plan: JobPlan, *, created: datetime, surroundings: TrainingMachine) -> None:
        self.plan = plan
        self.stop_asked = asyncio.Event()
        self._around, self._machine = surroundings, surroundings.machine
        self._waiting_since = self._machine.process_clock.now() - (self._machine.clock.now() - created)
        self._role = self._machine.role(plan.role_arn)
        # A name can be used again as soon as the job has ended, while its folder is still being removed.
        self._root = self._machine.folder / "training" / f"{plan.name}-{uuid.uuid4().hex[:8]}"
        self._stream = f"{plan.name}/{HOST}-{int(created.timestamp())}"
        self._may_log = self._role.log(LOG_GROUP, self._stream) is None
        self._metrics = MetricReader(plan.metrics)
        self._checkpoints = self._checkpoint_sync()

    @property
    def root(self) -> Path:
        """What stands for /opt/ml."""
        return self._root

    async def carry_out(self) -> Outcome:
        """From the first download to the last upload; what went wrong is part of the outcome."""
        if self.stop_asked.is_set():
            return STOPPED
        try:
            await self._enter(Step.STARTING, "Preparing the instances for training")
            await self._enter(Step.DOWNLOADING, "Downloading input data")
            await asyncio.to_thread(lay_out, self.plan, self._root, store=self._machine.store, role=self._role)
            if self.stop_asked.is_set():
                return STOPPED
            await self._enter(Step.DOWNLOADING, "Downloading the training image")
            outcome = await self._train(self._image())
            await self._enter(Step.UPLOADING, "Uploading generated training model")
            await self._upload()
        except (InputRefused, OutputRefused) as refusal:
            return failed(str(refusal))
        return outcome

    def end(self, outcome: Outcome) -> None:
        """Writes down how the job ended, and what its last metrics were. Blocks for a moment."""
        now, metrics = self._machine.clock.now(), self._metrics.final()

        def finished(job: Job) -> Job:
            last = ended(job, outcome, now=now)
            return {**last, "FinalMetricDataList": metrics} if metrics else last

        self._around.board.change(self.plan.name, finished)

    async def _train(self, image: ImageFolder) -> Outcome:
        if self._checkpoints is not None:
            self._checkpoints.known()
        child = await self._machine.children.start(
            [sys.executable, "-m", "container", "train"],
            name=f"training job {self.plan.name}",
            env=training_environment(
                self.plan, image, root=self._root, added=self._machine.role_environment(self.plan.role_arn, HOST)
            ),
            cwd=image.path,
            on_line=self._take_line,
        )
        await self._enter(Step.TRAINING, "Training image download completed. Training in progress.")
        cause = await self._watch(child)
        code = await child.wait()
        return cause.value if cause is not None else outcome_of(code, self._root)

    async def _watch(self, child: Child) -> Cause | None:
        """Wait for the end of the container, and bring it about where it is due; returns why it was."""
        begun = self._machine.process_clock.now()
        ended, asked = asyncio.ensure_future(child.wait()), asyncio.ensure_future(self.stop_asked.wait())
        try:
            while not ended.done():
                pause = asyncio.ensure_future(self._machine.sleep(self._around.poll_seconds))
                await asyncio.wait({ended, asked, pause}, return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                await self._copy_checkpoints()
                if not ended.done() and (cause := self._due(begun)) is not None:
                    await self._change(lambda job: stopping(job, now=self._machine.clock.now()))
                    await child.stop(grace_seconds=self._around.grace_seconds)
                    return cause
        except BaseException:
            await child.kill()
            raise
        finally:
            asked.cancel()
            ended.cancel()
        return None

    def _due(self, begun: datetime) -> Cause | None:
        """Why the container has to end now."""
        now, plan = self._machine.process_clock.now(), self.plan
        if self.stop_asked.is_set():
            return Cause.STOP
        if now - begun >= timedelta(seconds=plan.longest_run_seconds):
            return Cause.RUNTIME
        wait_seconds = plan.longest_wait_seconds
        if wait_seconds is not None and now - self._waiting_since >= timedelta(seconds=wait_seconds):
            return Cause.WAIT
        return None

    async def _upload(self) -> None:
        await self._copy_checkpoints()
        uri = await asyncio.to_thread(upload_outputs, self.plan, self._root, store=self._machine.store, role=self._role)
        await self._change(lambda job: {**job, "ModelArtifacts": {"S3ModelArtifacts": uri}})

    async def _copy_checkpoints(self) -> None:
        if self._checkpoints is not None:
            await asyncio.to_thread(self._checkpoints.copy, store=self._machine.store, role=self._role)

    def _image(self) -> ImageFolder:
        try:
            return self._machine.images(self.plan.image)
        except OperatorError as error:
            raise InputRefused(
                "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are "
                f"incorrect: {error}"
            ) from error

    def _checkpoint_sync(self) -> CheckpointSync | None:
        if self.plan.checkpoints is None:
            return None
        folder, uri = self.plan.checkpoints
        return CheckpointSync(self._root / folder, uri, self.plan.kms_key)

    def _take_line(self, line: str) -> None:
        self._metrics.read(line, now=self._machine.clock.now())
        if self._may_log:
            self._machine.log(LOG_GROUP, self._stream, [line])

    async def _enter(self, step: Step, message: str) -> None:
        now = self._machine.clock.now()
        await self._change(lambda job: job if is_overtaken(job, step) else entered(job, step, message, now=now))

    async def _change(self, change: Any) -> None:
        await asyncio.to_thread(self._around.board.change, self.plan.name, change)


def is_overtaken(job: Job, step: Step) -> bool:
    """Whether a job that is being stopped has left this step behind."""
    return job["TrainingJobStatus"] == JobStatus.STOPPING and step is not Step.UPLOADING


def outcome_of(code: int, root: Path) -> Outcome:
    """What SageMaker makes of a container's exit code and of the reason that it left."""
    if code == 0:
        return COMPLETED
    shown = 128 - code if code < 0 else code
    end = f", exit code: {shown}"
    return failed(f"AlgorithmError: {failure_text(root)}"[: LONGEST_REASON - len(end)] + end)


def training_environment(plan: JobPlan, image: ImageFolder, *, root: Path, added: Mapping[str, str]) -> dict[str, str]:
    """What `docker run` would set: the image's ENV, the platform's variables, and last what the job says."""
    return {
        **container_base(root),
        # Small models train many times slower when their threads wait for each other on busy cores.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        **image.environment,
        **({} if plan.network_isolated else added),
        "TRAINING_JOB_NAME": plan.name,
        "TRAINING_JOB_ARN": plan.arn,
        "FLYBALL_ML_ROOT": str(root),
        **plan.environment,
        "PYTHONPATH": str(image.path),
    }
