"""SageMaker's control plane put together: which operation is carried out by whom, and what is kept in records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.documents import Documents, InMemoryDocuments
from local.services.sagemaker.descriptions import EndpointDescriptions
from local.services.sagemaker.models import ModelOperations
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointCommands, EndpointOperations
from local.services.sagemaker.processing.jobs import ProcessingJobs
from local.services.sagemaker.processing.operations import ProcessingOperations
from local.services.sagemaker.registry import ModelRegistry
from local.services.sagemaker.tags import TagOperations
from local.services.sagemaker.training.operations import JobCommands, TrainingOperations
from local.services.sagemaker.training.run import TrainingMachine

Operation = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class SageMakerRecords:
    """The collections of records; those of tests and of a cloud that forgets lie in memory."""

    training_jobs: Documents = field(default_factory=InMemoryDocuments)
    processing_jobs: Documents = field(default_factory=InMemoryDocuments)
    model_package_groups: Documents = field(default_factory=InMemoryDocuments)
    model_packages: Documents = field(default_factory=InMemoryDocuments)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Everything that answers SageMaker's API; `later` hands a call to the event loop of endpoints and jobs."""

    state: MotoState
    registry: ModelRegistry
    endpoints: EndpointCommands
    surroundings: TrainingMachine
    jobs: JobCommands
    processing: ProcessingJobs
    later: Callable[..., object]

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        board, machine = self.surroundings.board, self.surroundings.machine
        processing = self.processing.surroundings
        tagged = {
            "training-job": lambda arn, change: board.change(arn.rpartition("/")[2], change),
            "processing-job": lambda arn, change: processing.board.change(arn.rpartition("/")[2], change),
            "model-package-group": self.registry.change_group,
            "model-package": self.registry.change_version,
        }
        return {
            **EndpointOperations(state=self.state, endpoints=self.endpoints, later=self.later).by_name(),
            **EndpointDescriptions(self.state).by_name(),
            **ModelOperations(self.state, trusts=machine.trusts).by_name(),
            **self.registry.by_name(),
            **TrainingOperations(self.surroundings, jobs=self.jobs, later=self.later).by_name(),
            **ProcessingOperations(processing, jobs=self.processing, later=self.later).by_name(),
            **TagOperations(self.state, tagged).by_name(),
        }
