"""The training jobs that run or wait: a few at a time, each ended with a record that says how. One event loop's."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from local.documents import Documents
from local.services.sagemaker.job_queue import INTERRUPTED, JobQueue
from local.services.sagemaker.model_server import Clock, Machine
from local.services.sagemaker.training.board import Changed, JobBoard
from local.services.sagemaker.training.record import STOPPED, Outcome, ended, failed, has_ended
from local.services.sagemaker.training.request import JobPlan
from local.services.sagemaker.training.run import TrainingMachine, TrainingRun

AT_ONCE: Final = 2
"""Jobs that run at the same time; the others wait as Starting, as where AWS has no capacity."""


class TrainingJobs(JobQueue[Outcome]):
    """Carries out what CreateTrainingJob began."""

    def __init__(self, surroundings: TrainingMachine, *, at_once: int = AT_ONCE) -> None:
        super().__init__("training job", at_once=at_once, stopped=STOPPED, failed=failed)
        self.surroundings = surroundings

    def start(self, plan: JobPlan, created: datetime) -> None:
        """Begin a job, or let it wait for a seat."""
        self.begin(TrainingRun(plan, created=created, surroundings=self.surroundings))


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
