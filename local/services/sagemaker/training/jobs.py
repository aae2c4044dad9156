"""The training jobs that run or wait: a few at a time, each ended with a record that says how. One event loop's."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final

from local.documents import Documents
from local.services.sagemaker.artifact import remove_folder
from local.services.sagemaker.model_server import Clock, Machine
from local.services.sagemaker.training.board import Changed, JobBoard
from local.services.sagemaker.training.record import STOPPED, Job, Outcome, ended, failed, has_ended
from local.services.sagemaker.training.request import JobPlan
from local.services.sagemaker.training.run import TrainingMachine, TrainingRun

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Jobs that run at the same time; the others wait as Starting, as where AWS has no capacity."""

INTERRUPTED: Final = "InternalServerError: the local cloud ended while this job was in progress."


class TrainingJobs:
    """Carries out what CreateTrainingJob began. The caller has put the job on the board."""

    def __init__(self, surroundings: TrainingMachine, *, at_once: int = AT_ONCE) -> None:
        self.surroundings = surroundings
        self._seats = asyncio.Semaphore(at_once)
        self._runs: dict[str, TrainingRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, plan: JobPlan, created: datetime) -> None:
        """Begin a job, or let it wait for a seat."""
        run = TrainingRun(plan, created=created, surroundings=self.surroundings)
        task = asyncio.ensure_future(self._run(run))
        self._runs[plan.name] = run
        self._tasks.add(task)
        task.add_done_callback(lambda _task: self._forget(run, task))

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

    async def _run(self, run: TrainingRun) -> None:
        outcome = failed(INTERRUPTED)
        try:
            outcome = await self._carried_out(run)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Nobody awaits this task: without a status that says so, whoever waits for the job waits for ever.
            log.exception("training job %s failed in the local cloud", run.plan.name)
            outcome = failed(f"InternalServerError: the local cloud failed: {error!r}")
        finally:
            self._end(run, outcome)
            await asyncio.to_thread(remove_folder, run.root)

    def _forget(self, run: TrainingRun, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._runs.get(run.plan.name) is run:
            del self._runs[run.plan.name]

    async def _carried_out(self, run: TrainingRun) -> Outcome:
        """What became of the job, once there was a seat for it; a job that waits can be stopped."""
        seat, stop = asyncio.ensure_future(self._seats.acquire()), asyncio.ensure_future(run.stop_asked.wait())
        try:
            await asyncio.wait({seat, stop}, return_when=asyncio.FIRST_COMPLETED)
            return await run.carry_out() if seat.done() else STOPPED
        finally:
            stop.cancel()
            if seat.done() and not seat.cancelled():
                self._seats.release()
            seat.cancel()

    def _end(self, run: TrainingRun, outcome: Outcome) -> None:
        """Not in a thread: it has to happen even where the task is cancelled."""
        now, metrics = self.surroundings.machine.clock.now(), run.final_metrics()

        def finished(job: Job) -> Job:
            last = ended(job, outcome, now=now)
            return {**last, "FinalMetricDataList": metrics} if metrics else last

        self.surroundings.board.change(run.plan.name, finished)


def resumed_jobs(machine: Machine, documents: Documents, *, changed: Changed) -> TrainingJobs:
    """The jobs of a cloud that starts: what a former one left in progress has failed."""
    board = JobBoard(documents, changed=changed)
    fail_interrupted(board, machine.clock)
    return TrainingJobs(TrainingMachine(machine=machine, board=board))


def fail_interrupted(board: JobBoard, clock: Clock) -> None:
    """Of jobs that a former local cloud left in progress, says the truth: nobody carries them on."""
    for job in board.jobs():
        if not has_ended(job):
            board.change(job["TrainingJobName"], lambda found: ended(found, failed(INTERRUPTED), now=clock.now()))
