"""The processing jobs that run or wait: one at a time, each ended with a record that says how. One event loop's."""

from __future__ import annotations

from datetime import datetime

from local.documents import Documents
from local.services.sagemaker.job_queue import INTERRUPTED, JobQueue
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.processing.record import STOPPED, Outcome, ended, failed, has_ended
from local.services.sagemaker.processing.request import ProcessingPlan
from local.services.sagemaker.processing.run import ProcessingMachine, ProcessingRun
from local.services.sagemaker.training.board import Changed, JobBoard


class ProcessingJobs(JobQueue[Outcome]):
    """Carries out what CreateProcessingJob began."""

    def __init__(self, surroundings: ProcessingMachine) -> None:
        super().__init__("processing job", at_once=1, stopped=STOPPED, failed=failed)
        self.surroundings = surroundings

    def start(self, plan: ProcessingPlan, created: datetime) -> None:
        """Begin a job, or let it wait for the one that runs."""
        self.begin(ProcessingRun(plan, created=created, surroundings=self.surroundings))


def resumed_processing_jobs(machine: Machine, documents: Documents, *, changed: Changed) -> ProcessingJobs:
    """The jobs of a cloud that starts: what a former one left in progress has failed, for nobody carries it on."""
    board = JobBoard(documents, changed=changed)
    now = machine.clock.now()
    for name in [job["ProcessingJobName"] for job in board.jobs() if not has_ended(job)]:
        board.change(name, lambda job: ended(job, failed(INTERRUPTED), now=now))
    return ProcessingJobs(ProcessingMachine(machine=machine, board=board))
