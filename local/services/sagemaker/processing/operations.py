"""The processing operations of the SageMaker API: `sagemaker_operations` of `moto_hooks.CloudHooks`.

They run in moto's threads: they check what AWS checks at once, keep the record, and leave the rest to the event loop
that `ProcessingJobs` belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from moto.sagemaker.exceptions import ResourceInUseException

from local.services.sagemaker.listing import Listing
from local.services.sagemaker.permission import PULL_ACTIONS, unassumable
from local.services.sagemaker.processing.record import Job, has_ended, new_job, stopping
from local.services.sagemaker.processing.request import ProcessingPlan, check_request, is_spark, plan_of
from local.services.sagemaker.processing.run import ProcessingMachine
from local.services.sagemaker.service_model import answer, check, invalid
from model_packages.errors import OperatorError

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]
Later = Callable[..., object]
"""`later(function, *arguments)` calls it in the event loop, as `loop.call_soon_threadsafe` does."""

LISTING: Final = Listing(
    "ListProcessingJobs", key="ProcessingJobSummaries", name="ProcessingJobName", status="ProcessingJobStatus"
)


class JobCommands(Protocol):
    """What `ProcessingJobs` is told to do."""

    def start(self, plan: ProcessingPlan, created: datetime) -> None: ...
    def stop(self, name: str) -> None: ...


class ProcessingOperations:
    """CreateProcessingJob, DescribeProcessingJob, ListProcessingJobs and StopProcessingJob."""

    def __init__(self, surroundings: ProcessingMachine, *, jobs: JobCommands, later: Later) -> None:
        self._board, self._machine = surroundings.board, surroundings.machine
        self._require_spark, self._jobs, self._later = surroundings.require, jobs, later

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "CreateProcessingJob": self.create,
            "DescribeProcessingJob": self.describe,
            "ListProcessingJobs": self.list,
            "StopProcessingJob": self.stop,
        }

    def create(self, parameters: Document) -> Document:
        """Keep a new job as InProgress, and begin it."""
        check_request(parameters)
        name, role_arn = parameters["ProcessingJobName"], parameters["RoleArn"]
        if (problem := unassumable(role_arn, self._machine.trusts)) is not None:
            raise invalid(problem)
        self._require_image(parameters["AppSpecification"]["ImageUri"], role_arn)
        machine, now = self._machine, self._machine.clock.now()
        arn = f"arn:aws:sagemaker:{machine.region}:{machine.account}:processing-job/{name}"
        if self._board.add(name, new_job(parameters, arn=arn, now=now)) is not None:
            raise ResourceInUseException(f"Job name must be unique within an AWS account and region, and {arn} exists.")
        self._later(self._jobs.start, plan_of(parameters, arn=arn), now)
        return {"ProcessingJobArn": arn}

    def describe(self, parameters: Document) -> Document:
        """All that is known of a job."""
        check("DescribeProcessingJob", parameters)
        return answer("DescribeProcessingJob", self._found(parameters["ProcessingJobName"]))

    def list(self, parameters: Document) -> Document:
        """The jobs that are asked for, a page at a time."""
        return answer("ListProcessingJobs", LISTING.page(parameters, self._board.jobs()))

    def stop(self, parameters: Document) -> None:
        """Show the job as Stopping, and begin to end it."""
        check("StopProcessingJob", parameters)
        name = parameters["ProcessingJobName"]
        job, now = self._found(name), self._machine.clock.now()
        if has_ended(job):
            status = job["ProcessingJobStatus"]
            raise invalid(f"The request was rejected because the processing job is in status {status}.")
        self._board.change(name, lambda found: found if has_ended(found) else stopping(found, now=now))
        self._later(self._jobs.stop, name)

    def _found(self, name: str) -> Job:
        job = self._board.get(name)
        if job is None:
            raise invalid(f"Could not find requested job with name: {name}")
        return job

    def _require_image(self, image: str, role_arn: str) -> None:
        """Raises AWSValidationException where SageMaker could not pull the image, or nothing here stands for it."""
        problem = self._machine.role(role_arn).pull(image)
        if problem is not None:
            raise invalid(
                f"The image {image} could not be pulled. Please ensure that the role {role_arn} has the permissions "
                f"{', '.join(PULL_ACTIONS)}: {problem}"
            )
        try:
            if is_spark(image):
                self._require_spark()
            else:
                self._machine.images(image)
        except OperatorError as error:
            raise invalid(f"the local cloud cannot run this processing job: {error}") from error
