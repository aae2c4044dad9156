"""Removes the models and endpoint configs that the loop made and nobody needs any more.

What serves stays, what a deployment made is not touched, and of the last champions there remains what going back needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.retraining.deployable import is_made_by_the_loop, name_prefix
from functions.retraining.loop_state import ChampionRecord, LoopState
from functions.retraining.rollout import IN_SERVICE
from functions.retraining.settings import RetrainingSettings
from model_packages.contract import PackageConfig

PAGE_SIZE = 100


class Deployments(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_endpoint(self, **arguments: Any) -> Any: ...

    def describe_endpoint_config(self, **arguments: Any) -> Any: ...

    def list_endpoint_configs(self, **arguments: Any) -> Any: ...

    def list_models(self, **arguments: Any) -> Any: ...

    def delete_endpoint_config(self, **arguments: Any) -> Any: ...

    def delete_model(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Of one package's endpoint."""

    sagemaker: Deployments
    settings: RetrainingSettings
    config: PackageConfig

    def remove(self, state: LoopState, *, run: str) -> list[str]:
        """The names that it deleted. None where another run is under way, or the endpoint is between two configs.

        It looks at what is there, not at what the run says that it made: a run may have died before it could say so.
        """
        if state.lock is not None and state.lock.run != run:
            return []
        endpoint = self._endpoint()
        if endpoint is None or endpoint["EndpointStatus"] != IN_SERVICE:
            return []
        serving = endpoint["EndpointConfigName"]
        retained = retained_champions(state, former=self.config.retraining.retained_versions)
        configs = {record.config for record in retained} | {serving}
        models = {record.model for record in retained} | self._models_of(serving)
        return [*self._remove_configs(configs), *self._remove_models(models)]

    def _endpoint(self) -> Mapping[str, Any] | None:
        """None where there is none, as while its stack is deleted."""
        try:
            found: Mapping[str, Any] = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)
        except ClientError as error:
            if _is_absent(error):
                return None
            raise
        return found

    def _models_of(self, config: str) -> set[str]:
        found = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        variants = [*found["ProductionVariants"], *found.get("ShadowProductionVariants", ())]
        return {variant["ModelName"] for variant in variants}

    def _remove_configs(self, needed: set[str]) -> list[str]:
        pages = _pages(self.sagemaker.list_endpoint_configs, self._prefix)
        names = self._unneeded(
            (each["EndpointConfigName"] for page in pages for each in page["EndpointConfigs"]), needed
        )
        for name in names:
            with _where_it_is():
                self.sagemaker.delete_endpoint_config(EndpointConfigName=name)
        return names

    def _remove_models(self, needed: set[str]) -> list[str]:
        pages = _pages(self.sagemaker.list_models, self._prefix)
        names = self._unneeded((each["ModelName"] for page in pages for each in page["Models"]), needed)
        for name in names:
            with _where_it_is():
                self.sagemaker.delete_model(ModelName=name)
        return names

    def _unneeded(self, names: Iterable[str], needed: set[str]) -> list[str]:
        ours = (name for name in names if is_made_by_the_loop(name, self.settings.endpoint_name))
        return sorted(set(ours) - needed)

    @property
    def _prefix(self) -> str:
        return name_prefix(self.settings.endpoint_name)


def retained_champions(state: LoopState, *, former: int) -> tuple[ChampionRecord, ...]:
    """The champion and the last `former` before it, each as it served last."""
    latest = {record.arn: record for record in state.champions}
    newest_first = dict.fromkeys(record.arn for record in reversed(state.champions))
    return tuple(latest[arn] for arn in list(newest_first)[: former + 1])


def _pages(listing: Callable[..., Any], prefix: str) -> Iterator[Mapping[str, Any]]:
    """Every page of what has the prefix in its name."""
    arguments: dict[str, Any] = {"NameContains": prefix, "MaxResults": PAGE_SIZE}
    while True:
        page: Mapping[str, Any] = listing(**arguments)
        yield page
        if not page.get("NextToken"):
            return
        arguments["NextToken"] = page["NextToken"]


@contextmanager
def _where_it_is() -> Iterator[None]:
    """Goes on where somebody else has deleted it."""
    try:
        yield
    except ClientError as error:
        if not _is_absent(error):
            raise


def _is_absent(error: ClientError) -> bool:
    """SageMaker has one code for all that it refuses."""
    return "Could not find" in error.response["Error"].get("Message", "")
