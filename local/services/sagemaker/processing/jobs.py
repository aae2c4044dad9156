"""The processing jobs that run or wait: one at a time, each ended with a record that says how. One event loop's."""

from __future__ import annotations

from datetime import datetime

from local.documents import Documents
from local.services.sagemaker.job_queue import JobQueue
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.processing.record import STOPPED, JobStatus, Outcome, ended, failed, has_ended
from local.services.sagemaker.processing.request import ProcessingPlan, plan_of
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

    def resume(self) -> None:
        """Begin again what a former cloud left in progress; what it was stopping is Stopped."""
        board, now = self.surroundings.board, self.surroundings.machine.clock.now()
        for job in [job for job in board.jobs() if not has_ended(job)]:
            if job["ProcessingJobStatus"] == JobStatus.STOPPING:
                board.change(job["ProcessingJobName"], lambda found: ended(found, STOPPED, now=now))
                continue
            plan, created = plan_of(job, arn=job["ProcessingJobArn"]), datetime.fromisoformat(job["CreationTime"])
            self.begin(ProcessingRun(plan, created=created, surroundings=self.surroundings, is_again=True))


def processing_jobs(machine: Machine, documents: Documents, *, changed: Changed) -> ProcessingJobs:
    """The jobs of a cloud; what a former one left in progress waits for `resume`."""
    board = JobBoard(documents, changed=changed)
    return ProcessingJobs(ProcessingMachine(machine=machine, board=board))
