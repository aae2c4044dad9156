"""The model operations of the SageMaker API, in place of moto's: checked as AWS does, nothing that is asked is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.sagemaker.models import Model as FakeModel

from local.services.sagemaker.listing import Listing
from local.services.sagemaker.moto_state import Model, MotoState, described
from local.services.sagemaker.permission import Trusts, trust, unassumable
from local.services.sagemaker.service_model import answer, check, invalid

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]

LISTING: Final = Listing("ListModels", key="Models", name="ModelName")


class ModelOperations:
    """CreateModel, DescribeModel, ListModels and DeleteModel."""

    def __init__(self, state: MotoState, *, trusts: Trusts = trust) -> None:
        self._state, self._trusts = state, trusts
        self._lock = threading.Lock()

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "ListModels": self.list,
            "DeleteModel": self.delete,
        }

    def create(self, parameters: Document) -> Document:
        """Keep a model; its image and artifact are fetched when an endpoint needs them."""
        check("CreateModel", parameters)
        if bool(parameters.get("PrimaryContainer")) == bool(parameters.get("Containers")):
            raise invalid("Exactly one of PrimaryContainer and Containers has to be provided.")
        if not parameters.get("ExecutionRoleArn"):
            raise invalid("ExecutionRoleArn is required to create a model.")
        if (problem := unassumable(parameters["ExecutionRoleArn"], self._trusts)) is not None:
            raise invalid(problem)
        name, backend = parameters["ModelName"], self._state.backend
        with self._lock:
            if name in backend._models:
                raise invalid(f'Cannot create already existing model "{self._state.arn("model", name)}".')
            self._require_version(parameters)
            model = Model(parameters, account_id=self._state.account_id, region=self._state.region)
            backend._models[name] = model
        return {"ModelArn": model.arn}

    def describe(self, parameters: Document) -> Document:
        """All that is known of a model."""
        check("DescribeModel", parameters)
        return answer("DescribeModel", described(self._found(parameters["ModelName"])))

    def list(self, parameters: Document) -> Document:
        """The models that are asked for, a page at a time."""
        models = [described(model) for model in list(self._state.backend._models.values())]
        return answer("ListModels", LISTING.page(parameters, models))

    def delete(self, parameters: Document) -> None:
        """Forget a model; endpoints that serve it go on."""
        check("DeleteModel", parameters)
        with self._lock:
            self._found(parameters["ModelName"])
            del self._state.backend._models[parameters["ModelName"]]

    def _found(self, name: str) -> FakeModel:
        model = self._state.backend._models.get(name)
        if model is None:
            raise invalid(f'Could not find model "{self._state.arn("model", name)}".')
        return model

    def _require_version(self, parameters: Document) -> None:
        """Raises AWSValidationException where the model names a version that the registry does not have."""
        for container in parameters.get("Containers") or [parameters["PrimaryContainer"]]:
            if container.get("ModelPackageName"):
                try:
                    self._state.registered(container["ModelPackageName"])
                except LookupError as error:
                    raise invalid(str(error)) from error
