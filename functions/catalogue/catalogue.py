"""Which path of the API answers what about the models. The models, the ids and the log are handed in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from functions.catalogue.models import PublishedModel
from functions.catalogue.openapi import openapi_document
from functions.catalogue.page import CONTENT_SECURITY_POLICY, documentation_page
from functions.catalogue.settings import CatalogueSettings
from functions.shared.problems import code_of, problem_answer
from functions.shared.proxy import (
    JSON_MEDIA_TYPE,
    ProxyAnswer,
    ProxyEvent,
    answer,
    read_base_path,
    read_headers,
    read_host,
    read_path,
)
from model_packages.errors import CallerError, PackageError, UnknownModel, UnknownPath

HTML_MEDIA_TYPE = "text/html; charset=utf-8"
KNOWN_PATHS = ("/", "/models", "/models/{name}", "/openapi.json")
MAXIMUM_AGE_SECONDS = 60


class FailureLog(Protocol):
    """As much of a logger as the catalogue uses."""

    def error(self, msg: object, *, extra: Mapping[str, object]) -> None: ...

    def exception(self, msg: object, *, extra: Mapping[str, object]) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Answers proxy events; never raises. It calls nothing and keeps nothing."""

    models: Mapping[str, PublishedModel]
    settings: CatalogueSettings
    make_id: Callable[[], str]
    log: FailureLog

    def handle(self, event: ProxyEvent) -> ProxyAnswer:
        """The answer to one request; every error becomes a problem document here."""
        try:
            return self._unless_known(event, self._route(event))
        except Exception as error:
            request_id = self.make_id()
            if not isinstance(error, CallerError):
                facts = {"inference_id": request_id, "reason": code_of(error)}
                self.log.exception("failed", extra=facts)
            return problem_answer(error, inference_id=request_id)

    def _route(self, event: ProxyEvent) -> ProxyAnswer:
        path, base = read_path(event), read_base_path(event)
        if path in ("/", "/models"):
            return _json(self._list(base))
        if path == "/openapi.json":
            return _json(self._openapi(base))
        _, first, *rest = path.split("/")
        if first != "models":
            raise UnknownPath(path=path, known=KNOWN_PATHS)
        return self._document(rest, event)

    def _document(self, rest: list[str], event: ProxyEvent) -> ProxyAnswer:
        """`rest` is what stands behind /models/; a model's own paths lead here only where it is not deployed."""
        name = rest[0]
        if name not in self.models:
            raise UnknownModel(name, list(self.models))
        if len(rest) > 1:
            raise UnknownPath(path=read_path(event), known=KNOWN_PATHS)
        url = f"https://{read_host(event)}{read_base_path(event)}/models/{name}/predict"
        page = documentation_page(self.models[name], url=url, settings=self.settings)
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}
        return answer(200, page, media_type=HTML_MEDIA_TYPE, headers=headers)

    def _list(self, base: str) -> dict[str, Any]:
        return {
            "models": [_listed(model, base) for model in self.models.values()],
            "links": {"self": f"{base}/models", "openapi": f"{base}/openapi.json"},
        }

    def _openapi(self, base: str) -> dict[str, Any]:
        unavailable = {name: problem for name, model in self.models.items() if (problem := _schema_problem(model))}
        for name, problem in unavailable.items():
            self.log.error("schema cannot be loaded", extra={"model": name, "cause": problem})
        available = [model for name, model in self.models.items() if name not in unavailable]
        return openapi_document(available, base_path=base, settings=self.settings, unavailable=list(unavailable))

    def _unless_known(self, event: ProxyEvent, result: ProxyAnswer) -> ProxyAnswer:
        """304 where the caller has the same already."""
        tag = f'"{hashlib.sha256(result["body"].encode()).hexdigest()[:16]}"'
        scope = "public" if self.settings.documentation == "public" else "private"
        caching = {"ETag": tag, "Cache-Control": f"{scope}, max-age={MAXIMUM_AGE_SECONDS}"}
        known = read_headers(event).get("if-none-match", "")
        if tag in (part.strip().removeprefix("W/") for part in known.split(",")):
            return ProxyAnswer(statusCode=304, headers=caching, body="", isBase64Encoded=False)
        return ProxyAnswer(**{**result, "headers": {**result["headers"], **caching}})


def _json(document: Mapping[str, Any]) -> ProxyAnswer:
    return answer(200, json.dumps(document), media_type=JSON_MEDIA_TYPE)


def _listed(model: PublishedModel, base: str) -> dict[str, Any]:
    path = f"{base}/models/{model.name}"
    return {
        "name": model.name,
        "description": model.config.description,
        "task": model.config.task,
        "links": {"predict": f"{path}/predict", "documentation": path},
    }


def _schema_problem(model: PublishedModel) -> str | None:
    """What keeps the model's schema from being shown, or None."""
    try:
        _ = model.interface.request_fields, model.interface.response_fields
    except PackageError as error:
        return str(error)
    return None
