"""The training operations of the SageMaker API: `sagemaker_operations` of `moto_hooks.CloudHooks`.

They run in moto's threads: they check what AWS checks at once, keep the record, and leave the rest to the event loop
that `TrainingJobs` belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from moto.sagemaker.exceptions import ResourceInUseException

from local.services.sagemaker.listing import Listing
from local.services.sagemaker.permission import PULL_ACTIONS, unassumable
from local.services.sagemaker.service_model import answer, check, invalid
from local.services.sagemaker.training.record import Job, has_ended, new_job, stopping
from local.services.sagemaker.training.request import JobPlan, check_request, plan_of
from local.services.sagemaker.training.run import TrainingMachine
from model_packages.errors import OperatorError

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]
Later = Callable[..., object]
"""`later(function, *arguments)` calls it in the event loop, as `loop.call_soon_threadsafe` does."""

LISTING: Final = Listing(
    "ListTrainingJobs",
    key="TrainingJobSummaries",
    name="TrainingJobName",
    status="TrainingJobStatus",
    default_order="Ascending",
)


class JobCommands(Protocol):
    """What `TrainingJobs` is told to do."""

    def start(self, plan: JobPlan, created: datetime) -> None: ...
    def stop(self, name: str) -> None: ...


class TrainingOperations:
    """CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob and DeleteTrainingJob."""

    def __init__(self, surroundings: TrainingMachine, *, jobs: JobCommands, later: Later) -> None:
        self._board, self._machine = surroundings.board, surroundings.machine
        self._jobs, self._later = jobs, later

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop,
            "DeleteTrainingJob": self.delete,
        }

    def create(self, parameters: Document) -> Document:
        """Keep a new job as InProgress, and begin it."""
        check_request(parameters)
        name = parameters["TrainingJobName"]
        if (problem := unassumable(parameters["RoleArn"], self._machine.trusts)) is not None:
            raise invalid(problem)
        self._require_image(parameters["AlgorithmSpecification"]["TrainingImage"], parameters["RoleArn"])
        machine, now = self._machine, self._machine.clock.now()
        arn = f"arn:aws:sagemaker:{machine.region}:{machine.account}:training-job/{name}"
        if self._board.add(name, new_job(parameters, arn=arn, now=now)) is not None:
            raise ResourceInUseException(
                "Training job names must be unique within an AWS account and region, and a training job with this name "
                f"already exists ({arn})"
            )
        self._later(self._jobs.start, plan_of(parameters, arn=arn), now)
        return {"TrainingJobArn": arn}

    def describe(self, parameters: Document) -> Document:
        """All that is known of a job."""
        check("DescribeTrainingJob", parameters)
        return answer("DescribeTrainingJob", self._found(parameters["TrainingJobName"]))

    def list(self, parameters: Document) -> Document:
        """The jobs that are asked for, a page at a time."""
        return answer("ListTrainingJobs", LISTING.page(parameters, self._board.jobs()))

    def stop(self, parameters: Document) -> None:
        """Show the job as Stopping, and begin to end it."""
        check("StopTrainingJob", parameters)
        name = parameters["TrainingJobName"]
        self._found(name)
        now = self._machine.clock.now()
        before: list[Job] = []

        def stopped(job: Job) -> Job:
            before.append(job)
            return job if has_ended(job) else stopping(job, now=now)

        self._board.change(name, stopped)
        if has_ended(before[0]):
            status = before[0]["TrainingJobStatus"]
            raise invalid(f"The request was rejected because the training job is in status {status}.")
        self._later(self._jobs.stop, name)

    def delete(self, parameters: Document) -> None:
        """Forget a job that has ended; its artifact and its log stay."""
        check("DeleteTrainingJob", parameters)
        job = self._found(parameters["TrainingJobName"])
        if not has_ended(job):
            raise ResourceInUseException(
                f"Training job {job['TrainingJobArn']} is {job['TrainingJobStatus']}; only one that is Completed, "
                "Failed or Stopped can be deleted."
            )
        self._board.remove(parameters["TrainingJobName"])

    def _found(self, name: str) -> Job:
        job = self._board.get(name)
        if job is None:
            raise invalid("Requested resource not found.")
        return job

    def _require_image(self, image: str, role_arn: str) -> None:
        """Raises AWSValidationException where SageMaker could not pull the image in the role's name."""
        problem = self._machine.role(role_arn).pull(image)
        if problem is None:
            try:
                self._machine.images(image)
            except OperatorError as error:
                problem = str(error)
        if problem is not None:
            registry, _, path = image.partition("/")
            raise invalid(
                f"Cannot find repository: {path.rpartition(':')[0] or path} in registry ID: "
                f"{registry.partition('.')[0]} Please check if your ECR repository exists and role {role_arn} has "
                f"proper pull permissions for SageMaker: {', '.join(PULL_ACTIONS)} ({problem})"
            )
