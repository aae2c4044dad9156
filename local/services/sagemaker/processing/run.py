"""One processing job: inputs, the container's process under its limits, outputs. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from local.processes import Child
from local.services.sagemaker.artifact import bucket_and_key
from local.services.sagemaker.job_queue import STARTED_AGAIN
from local.services.sagemaker.model_server import Machine, container_base
from local.services.sagemaker.processing.image import Container, image_container
from local.services.sagemaker.processing.outputs import upload_results
from local.services.sagemaker.processing.record import (
    LONGEST_REASON,
    STOPPED,
    Job,
    JobStatus,
    Outcome,
    begun,
    ended,
    failed,
)
from local.services.sagemaker.processing.request import ProcessingPlan
from local.services.sagemaker.processing.spark import require_spark, spark_container
from local.services.sagemaker.training.board import JobBoard
from local.services.sagemaker.training.inputs import HOST, InputRefused, download_prefix
from local.services.sagemaker.training.outputs import OutputRefused
from model_packages.errors import OperatorError

LOG_GROUP: Final = "/aws/sagemaker/ProcessingJobs"
GRACE_SECONDS: Final = 120.0
"""SageMaker sends SIGTERM, and SIGKILL this much later."""

Spark = Callable[[Sequence[str], Path], Container]
"""What AWS's Spark image does with a job's arguments, in a folder that stands for /opt/ml; raises OperatorError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingMachine:
    """What a job needs of its surroundings beside a model server's."""

    machine: Machine
    board: JobBoard
    require: Callable[[], None] = require_spark
    """Raises OperatorError where no job on Spark could be run here at all."""
    spark: Spark = spark_container
    grace_seconds: float = GRACE_SECONDS


class ProcessingRun:
    """A job that carries out its plan once it is told to; with `is_again` for a second time, in another cloud."""

    def __init__(
        self, plan: ProcessingPlan, *, created: datetime, surroundings: ProcessingMachine, is_again: bool = False
    ) -> None:
        self.plan, self._is_again = plan, is_again
        self.stop_asked = asyncio.Event()
        self._around, self._machine = surroundings, surroundings.machine
        self._role = self._machine.role(plan.role_arn)
        self.root = self._machine.folder / "processing" / f"{plan.name}-{uuid.uuid4().hex[:8]}"
        """What stands for /opt/ml."""
        self._stream = f"{plan.name}/{HOST}-{int(created.timestamp())}"
        self._may_log = self._role.log(LOG_GROUP, self._stream) is None

    async def carry_out(self) -> Outcome:
        """From the first download to the end of the process; what went wrong is part of the outcome."""
        if self.stop_asked.is_set():
            return STOPPED
        if self._is_again:
            self._take_line(STARTED_AGAIN)
        try:
            await asyncio.to_thread(self._lay_out)
            if self.stop_asked.is_set():
                return STOPPED
            outcome = await self._process(self._container())
            if outcome.status is JobStatus.COMPLETED:
                store, role = self._machine.store, self._role
                await asyncio.to_thread(upload_results, self.plan, self.root, store=store, role=role)
        except (InputRefused, OutputRefused) as refusal:
            return failed(str(refusal))
        except OperatorError as error:
            return failed(f"AlgorithmError: {error}")
        return outcome

    def end(self, outcome: Outcome) -> None:
        """Writes down how the job ended. Blocks for a moment."""
        now = self._machine.clock.now()
        self._around.board.change(self.plan.name, lambda job: ended(job, outcome, now=now))

    def _lay_out(self) -> None:
        """Writes the configuration and copies every input below the root. Blocks. Raises: InputRefused."""
        config = self.root / "config"
        config.mkdir(parents=True)
        hosts = {"current_host": HOST, "hosts": [HOST]}
        (config / "resourceconfig.json").write_text(json.dumps(hosts), encoding="utf-8")
        described = {**self.plan.request, "ProcessingJobArn": self.plan.arn}
        (config / "processingjobconfig.json").write_text(json.dumps(described), encoding="utf-8")
        for each in self.plan.inputs:
            bucket, prefix = bucket_and_key(each.uri)
            folder, store = self.root / each.folder, self._machine.store
            folder.mkdir(parents=True, exist_ok=True)
            if download_prefix(bucket, prefix, folder, store=store, role=self._role) == 0:
                raise InputRefused(f'ClientError: No S3 objects found under S3 URL "{each.uri}" of input {each.name}.')
        for each in self.plan.outputs:
            (self.root / each.folder).mkdir(parents=True, exist_ok=True)

    def _container(self) -> Container:
        """Raises: OperatorError for an image that is nowhere, or arguments that Spark's would not take."""
        plan = self.plan
        if plan.is_spark:
            return self._around.spark(plan.arguments, self.root)
        image = self._machine.images(plan.image)
        return image_container(image, entrypoint=plan.entrypoint, arguments=plan.arguments, root=self.root)

    async def _process(self, container: Container) -> Outcome:
        added = self._machine.role_environment(self.plan.role_arn, HOST)
        child = await self._machine.children.start(
            container.command,
            name=f"processing job {self.plan.name}",
            env={
                **container_base(self.root),
                **container.environment,
                **({} if self.plan.network_isolated else added),
                "PROCESSING_JOB_NAME": self.plan.name,
                "PROCESSING_JOB_ARN": self.plan.arn,
                **self.plan.environment,
            },
            cwd=container.folder,
            on_line=self._take_line,
        )
        now = self._machine.clock.now()
        await self._change(lambda job: begun(job, now=now))
        is_cut_short = await self._watch(child)
        code = await child.wait()
        return STOPPED if is_cut_short else self._outcome_of(code)

    async def _watch(self, child: Child) -> bool:
        """Waits for the end of the process; whether it had to be brought about."""
        waits = [
            asyncio.ensure_future(child.wait()),
            asyncio.ensure_future(self.stop_asked.wait()),
            asyncio.ensure_future(self._sleep(self.plan.longest_run_seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if waits[0].done():
                return False
            await child.stop(grace_seconds=self._around.grace_seconds)
        except BaseException:
            await child.kill()
            raise
        finally:
            for wait in waits:
                wait.cancel()
        return True

    async def _sleep(self, seconds: float) -> bool:
        await self._machine.sleep(seconds)
        return True

    def _outcome_of(self, code: int) -> Outcome:
        file = self.root / "output" / "message"
        message = file.read_text(encoding="utf-8", errors="replace")[:LONGEST_REASON] if file.is_file() else ""
        if code == 0:
            return Outcome(JobStatus.COMPLETED, exit_message=message)
        shown = 128 - code if code < 0 else code
        return failed(f"AlgorithmError: See job logs for more information, exit code: {shown}", exit_message=message)

    def _take_line(self, line: str) -> None:
        if self._may_log:
            self._machine.log(LOG_GROUP, self._stream, [line])

    async def _change(self, change: Callable[[Job], Job]) -> Any:
        return await asyncio.to_thread(self._around.board.change, self.plan.name, change)
