"""The training jobs that run or wait: a few at a time, each ended with a record that says how. One event loop's."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from local.documents import Documents
from local.services.sagemaker.job_queue import JobQueue
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.training.board import Changed, JobBoard
from local.services.sagemaker.training.record import STOPPED, JobStatus, Outcome, ended, failed, has_ended
from local.services.sagemaker.training.request import JobPlan, plan_of
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

    def resume(self) -> None:
        """Begin again what a former cloud left in progress; what it was stopping is Stopped."""
        board, now = self.surroundings.board, self.surroundings.machine.clock.now()
        for job in [job for job in board.jobs() if not has_ended(job)]:
            if job["TrainingJobStatus"] == JobStatus.STOPPING:
                board.change(job["TrainingJobName"], lambda found: ended(found, STOPPED, now=now))
                continue
            plan, created = plan_of(job, arn=job["TrainingJobArn"]), datetime.fromisoformat(job["CreationTime"])
            self.begin(TrainingRun(plan, created=created, surroundings=self.surroundings, is_again=True))


def training_jobs(machine: Machine, documents: Documents, *, changed: Changed) -> TrainingJobs:
    """The jobs of a cloud; what a former one left in progress waits for `resume`."""
    board = JobBoard(documents, changed=changed)
    return TrainingJobs(TrainingMachine(machine=machine, board=board))
