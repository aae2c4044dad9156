"""One training job: inputs, the containers' processes under its limits, outputs. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

from local.services.sagemaker.artifact import remove_folder
from local.services.sagemaker.job_queue import STARTED_AGAIN
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.training.board import JobBoard
from local.services.sagemaker.training.hosts import Host, Hosts, start_hosts
from local.services.sagemaker.training.inputs import InputRefused, lay_out
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

LONGEST_PAUSE_SECONDS: Final = 60.0
"""Between a spot interruption and the next start."""


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
    """A job that carries out its plan once it is told to; with `is_again` for a second time, in another cloud."""

    def __init__(
        self, plan: JobPlan, *, created: datetime, surroundings: TrainingMachine, is_again: bool = False
    ) -> None:
        self.plan, self._is_again = plan, is_again
        self.stop_asked = asyncio.Event()
        self._around, self._machine = surroundings, surroundings.machine
        self._waiting_since = self._machine.process_clock.now() - (self._machine.clock.now() - created)
        self._role = self._machine.role(plan.role_arn)
        # A name can be used again as soon as the job has ended, while its folder is still being removed.
        self._root = self._machine.folder / "training" / f"{plan.name}-{uuid.uuid4().hex[:8]}"
        self._hosts = [Host(name, self._root / name) for name in plan.hosts]
        self._streams = {name: f"{plan.name}/{name}-{int(created.timestamp())}" for name in plan.hosts}
        self._may_log = {name: self._role.log(LOG_GROUP, stream) is None for name, stream in self._streams.items()}
        self._metrics = MetricReader(plan.metrics)
        self._checkpoints = self._checkpoint_sync()
        self._interruptions = 0
        self._ran = timedelta()

    @property
    def root(self) -> Path:
        """Has a folder for each host, which stands for its /opt/ml."""
        return self._root

    async def carry_out(self) -> Outcome:
        """From the first download to the last upload; what went wrong is part of the outcome."""
        if self.stop_asked.is_set():
            return STOPPED
        if self._is_again:
            self._say(STARTED_AGAIN)
        try:
            outcome = await self._train_to_the_end()
            if outcome is None:
                return STOPPED
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

    async def _train_to_the_end(self) -> Outcome | None:
        """Trains until it has ended, however often it is interrupted; None where it is stopped before it has begun."""
        while True:
            await self._prepare()
            if self.stop_asked.is_set():
                return None
            await self._enter(Step.DOWNLOADING, "Downloading the training image")
            outcome = await self._train(self._image())
            if outcome is not None:
                return outcome
            await self._copy_checkpoints()
            await self._enter(Step.INTERRUPTED, "Training job interrupted: its spot instances were taken away")
            self._say("The training was interrupted; it is started again.")
            if (cause := await self._wait_for_instances()) is not None:
                await self._stopping()
                return cause.value

    async def _prepare(self) -> None:
        """Lays out every host's folder anew. Raises: InputRefused."""
        await self._enter(Step.STARTING, "Preparing the instances for training")
        await self._enter(Step.DOWNLOADING, "Downloading input data")
        await asyncio.to_thread(remove_folder, self._root)
        for host in self._hosts:
            await asyncio.to_thread(
                lay_out, self.plan, host.root, host=host.name, store=self._machine.store, role=self._role
            )
        if self._checkpoints is not None:
            self._checkpoints.known()

    async def _train(self, image: ImageFolder) -> Outcome | None:
        """How the containers ended; None where that was an interruption."""
        role_environment, role_arn = self._machine.role_environment, self.plan.role_arn
        hosts = await start_hosts(
            self._hosts,
            plan=self.plan,
            image=image,
            children=self._machine.children,
            added=lambda host: role_environment(role_arn, host.name),
            on_line=self._take_line,
        )
        begun = self._machine.process_clock.now()
        try:
            await self._enter(Step.TRAINING, "Training image download completed. Training in progress.")
            cause = await self._watch(hosts, begun)
        except BaseException:
            await hosts.kill()
            raise
        self._ran += self._machine.process_clock.now() - begun
        was_interrupted = cause is None and self.plan.is_spot and hosts.is_killed
        await hosts.stop(grace_seconds=self._around.grace_seconds)
        if was_interrupted:
            self._interruptions += 1
            return None
        return cause.value if cause is not None else outcome_of(hosts)

    async def _watch(self, hosts: Hosts, begun: datetime) -> Cause | None:
        """Wait for the end of the containers, and bring it about where it is due; returns why it was."""
        ended, asked = asyncio.ensure_future(hosts.wait()), asyncio.ensure_future(self.stop_asked.wait())
        try:
            while not ended.done():
                pause = asyncio.ensure_future(self._machine.sleep(self._around.poll_seconds))
                await asyncio.wait({ended, asked, pause}, return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                await self._copy_checkpoints()
                ran = self._ran + (self._machine.process_clock.now() - begun)
                if not ended.done() and (cause := self._due(ran)) is not None:
                    await self._stopping()
                    await hosts.stop(grace_seconds=self._around.grace_seconds)
                    return cause
        finally:
            asked.cancel()
            ended.cancel()
        return None

    def _due(self, ran: timedelta) -> Cause | None:
        """Why a job that has trained for so long has to end now."""
        plan, now = self.plan, self._machine.process_clock.now()
        if self.stop_asked.is_set():
            return Cause.STOP
        if ran >= timedelta(seconds=plan.longest_run_seconds):
            return Cause.RUNTIME
        wait_seconds = plan.longest_wait_seconds
        if wait_seconds is not None and now - self._waiting_since >= timedelta(seconds=wait_seconds):
            return Cause.WAIT
        return None

    async def _wait_for_instances(self) -> Cause | None:
        """Longer each time, so that what is interrupted at once does not keep the machine busy; why it is no use."""
        seconds = min(LONGEST_PAUSE_SECONDS, self._around.poll_seconds * 2**self._interruptions)
        pause = asyncio.ensure_future(self._machine.sleep(seconds))
        asked = asyncio.ensure_future(self.stop_asked.wait())
        try:
            await asyncio.wait({pause, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            asked.cancel()
        return self._due(self._ran)

    async def _upload(self) -> None:
        await self._copy_checkpoints()
        root, store = self._hosts[0].root, self._machine.store
        uri = await asyncio.to_thread(upload_outputs, self.plan, root, store=store, role=self._role)
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
        """What the first host keeps: the others share its prefix, and would write over it."""
        if self.plan.checkpoints is None:
            return None
        folder, uri = self.plan.checkpoints
        return CheckpointSync(self._hosts[0].root / folder, uri, self.plan.kms_key)

    def _say(self, line: str) -> None:
        self._take_line(self._hosts[0], line)

    def _take_line(self, host: Host, line: str) -> None:
        self._metrics.read(line, now=self._machine.clock.now())
        if self._may_log[host.name]:
            self._machine.log(LOG_GROUP, self._streams[host.name], [line])

    async def _enter(self, step: Step, message: str) -> None:
        now = self._machine.clock.now()
        await self._change(lambda job: job if is_overtaken(job, step) else entered(job, step, message, now=now))

    async def _stopping(self) -> None:
        await self._change(lambda job: stopping(job, now=self._machine.clock.now()))

    async def _change(self, change: Any) -> None:
        await asyncio.to_thread(self._around.board.change, self.plan.name, change)


def is_overtaken(job: Job, step: Step) -> bool:
    """Whether a job that is being stopped has left this step behind."""
    return job["TrainingJobStatus"] == JobStatus.STOPPING and step is not Step.UPLOADING


def outcome_of(hosts: Hosts) -> Outcome:
    """What SageMaker makes of a container's exit code and of the reason that it left. All have ended."""
    failure = hosts.failure()
    if failure is None:
        return COMPLETED
    host, code = failure
    shown = 128 - code if code < 0 else code
    end = f", exit code: {shown}"
    return failed(f"AlgorithmError: {failure_text(host.root)}"[: LONGEST_REASON - len(end)] + end)
