"""The processing jobs that run or wait: one at a time, each ended with a record that says how. One event loop's."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final

from local.documents import Documents
from local.services.sagemaker.artifact import remove_folder
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.processing.record import Outcome, ended, failed, has_ended
from local.services.sagemaker.processing.request import ProcessingPlan
from local.services.sagemaker.processing.run import ProcessingMachine, ProcessingRun
from local.services.sagemaker.training.board import Changed, JobBoard

log = logging.getLogger(__name__)

INTERRUPTED: Final = "InternalServerError: the local cloud ended while this job was in progress."


class ProcessingJobs:
    """Carries out what CreateProcessingJob began. The caller has put the job on the board."""

    def __init__(self, surroundings: ProcessingMachine) -> None:
        self.surroundings = surroundings
        self._seat = asyncio.Lock()
        self._runs: dict[str, ProcessingRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, plan: ProcessingPlan, created: datetime) -> None:
        """Begin a job, or let it wait for the one that runs."""
        run = ProcessingRun(plan, created=created, surroundings=self.surroundings)
        task = asyncio.ensure_future(self._run(run))
        self._runs[plan.name] = run
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, name: str) -> None:
        """Begin to end a job; one that has ended stays as it is."""
        if (running := self._runs.get(name)) is not None:
            running.stop_asked.set()

    async def settle(self) -> None:
        """Wait until every job that was begun has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Give up what runs; the jobs' records say so."""
        pending = list(self._tasks)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _run(self, run: ProcessingRun) -> None:
        outcome = failed(INTERRUPTED)
        try:
            async with self._seat:
                outcome = await run.carry_out()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Nobody awaits this task: without a status that says so, whoever waits for the job waits for ever.
            log.exception("processing job %s failed in the local cloud", run.plan.name)
            outcome = failed(f"InternalServerError: the local cloud failed: {error!r}")
        finally:
            del self._runs[run.plan.name]
            self._end(run, outcome)
            await asyncio.to_thread(remove_folder, run.root)

    def _end(self, run: ProcessingRun, outcome: Outcome) -> None:
        """Not in a thread: it has to happen even where the task is cancelled."""
        now = self.surroundings.machine.clock.now()
        self.surroundings.board.change(run.plan.name, lambda job: ended(job, outcome, now=now))


def resumed_processing_jobs(machine: Machine, documents: Documents, *, changed: Changed) -> ProcessingJobs:
    """The jobs of a cloud that starts: what a former one left in progress has failed, for nobody carries it on."""
    board = JobBoard(documents, changed=changed)
    now = machine.clock.now()
    for name in [job["ProcessingJobName"] for job in board.jobs() if not has_ended(job)]:
        board.change(name, lambda job: ended(job, failed(INTERRUPTED), now=now))
    return ProcessingJobs(ProcessingMachine(machine=machine, board=board))
