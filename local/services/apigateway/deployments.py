"""What the gateway serves at this moment: the APIs as they were deployed, the stages and API keys as they are now.

Deployed APIs are kept as documents, because the control plane only knows an API as it is by now. Whoever watches the
control plane says what has changed; this module then reads it. It blocks on the control plane and is called from worker
threads; what it holds is replaced whole, so that readers need no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from local.documents import Documents, InMemoryDocuments
from local.services.apigateway.api import Api, ApiKey, Stage
from local.services.apigateway.routing import Router
from local.services.apigateway.snapshot import ApiGatewayClient, read_api, read_api_keys, read_stages, unsupported

STAGE_OPERATIONS: Final = frozenset({"CreateStage", "UpdateStage", "DeleteStage"})
KEY_OPERATIONS: Final = frozenset(
    f"{verb}{noun}" for verb in ("Create", "Update", "Delete") for noun in ("ApiKey", "UsagePlan", "UsagePlanKey")
)

_API: Final = TypeAdapter(Api)


@dataclass(frozen=True, slots=True)
class Served:
    """A stage, the deployment behind it, and the way through its resources."""

    api: Api
    stage: Stage
    router: Router


class Deployments:
    """The registry that the gateway looks things up in."""

    def __init__(self, client: ApiGatewayClient, kept: Documents | None = None) -> None:
        self._client = client
        self._kept: Documents = InMemoryDocuments() if kept is None else kept
        self._apis: Mapping[str, tuple[Api, Router]] = {}
        self._stages: Mapping[str, Stage] = {}
        self._keys: Mapping[str, ApiKey] = {}
        self._writing = threading.Lock()

    def restore(self) -> None:
        """Take in what a former cloud has deployed; to be called once the control plane answers.

        Raises: UnsupportedResource if a stage or plan cannot be served as it is.
        """
        with self._writing:
            for _key, record in self._kept.items():
                self._add(_API.validate_python(record))
            for rest_api_id in {api.id for api, _router in self._apis.values()}:
                self._read_stages(rest_api_id)
            self._keys = read_api_keys(self._client)

    def serving(self, stage_name: str) -> Served | None:
        """What is served under a stage's name."""
        stage = self._stages.get(stage_name)
        if stage is None or stage.deployment_id not in self._apis:
            return None
        api, router = self._apis[stage.deployment_id]
        return Served(api, stage, router)

    def api_key(self, value: str) -> ApiKey | None:
        """The API key with that value."""
        return self._keys.get(value)

    def changed(self, operation: str, *, rest_api_id: str | None, deployment_id: str | None = None) -> None:
        """Take in what a control plane operation, named as in the API model, has just done.

        Raises: UnsupportedResource if the API, stage or plan cannot be served as it is.
        """
        with self._writing:
            if operation == "CreateDeployment" and rest_api_id and deployment_id:
                self._deploy(rest_api_id, deployment_id)
            elif operation in STAGE_OPERATIONS and rest_api_id:
                self._read_stages(rest_api_id)
            elif operation == "DeleteRestApi" and rest_api_id:
                self._forget(rest_api_id)
            elif operation in KEY_OPERATIONS:
                self._keys = read_api_keys(self._client)

    def _deploy(self, rest_api_id: str, deployment_id: str) -> None:
        """Freeze the API as it is, as this deployment."""
        api = read_api(self._client, rest_api_id, deployment_id)
        self._kept.put(deployment_id, _API.dump_python(api, mode="json"))
        self._add(api)
        self._read_stages(rest_api_id)

    def _add(self, api: Api) -> None:
        self._apis = {**self._apis, api.deployment_id: (api, Router(api.resources))}

    def _read_stages(self, rest_api_id: str) -> None:
        """Replace an API's stages by those that it has now. A stage's name is the address: no two APIs may share it."""
        others = {name: stage for name, stage in self._stages.items() if stage.api_id != rest_api_id}
        stages = {stage.name: stage for stage in read_stages(self._client, rest_api_id)}
        for name in stages.keys() & others.keys():
            raise unsupported("Stage", name, f"a second REST API with a stage {name!r}")
        self._stages = {**others, **stages}

    def _forget(self, rest_api_id: str) -> None:
        """The API is gone."""
        self._stages = {name: stage for name, stage in self._stages.items() if stage.api_id != rest_api_id}
        for deployment_id in [key for key, (api, _router) in self._apis.items() if api.id == rest_api_id]:
            self._kept.delete(deployment_id)
        self._apis = {key: served for key, served in self._apis.items() if served[0].id != rest_api_id}
