"""The OpenAPI 3.1 document of the whole API, from the same schemas that check the requests. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.catalogue.models import PublishedModel
from functions.catalogue.settings import AuthorizationName, CatalogueSettings
from functions.shared.problems import INFERENCE_ID_HEADER, PROBLEM_MEDIA_TYPE
from functions.shared.proxy import JSON_MEDIA_TYPE
from model_packages.fields import FieldSpec, Payload

Json = dict[str, Any]

SECURITY_SCHEMES: Mapping[AuthorizationName, Json] = {
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "An AWS Signature Version 4 for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "cognito": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The ID token of a user of this installation's Cognito user pool.",
    },
}
EDGE_ERRORS: Mapping[int, str] = {
    400: "API Gateway cannot read the request.",
    401: "API Gateway found no valid proof of who calls.",
    403: "API Gateway refuses: credentials, signature or key are wrong or missing, or there is no such route.",
    429: "Too many requests: API Gateway's limit, or the model's.",
    500: "The API itself failed.",
    504: "No answer in time: the model's, or the function's.",
}
"""What API Gateway answers by itself, on every path; some of it has the model's side as a second cause."""
MODEL_ERRORS: Mapping[int, str] = {
    404: "There is no such path.",
    405: "The path has other methods.",
    413: "The body is larger than the model accepts.",
    415: "The body is not JSON in UTF-8, uncompressed.",
    422: "The body is not what the schema says; `errors` names every bad field.",
    502: "The model failed on this request, or answered what its schema does not allow.",
    503: "The model has no server ready to answer.",
}
FEEDBACK_ERRORS: Mapping[int, str] = {
    404: "Labels: this model made no prediction with the inference id; `errors` names every label.",
    405: "The path has other methods.",
    410: "Labels: the prediction is too old for a label; `errors` names every label.",
    413: "The body is larger than the model accepts.",
    415: "The body is not JSON in UTF-8, uncompressed.",
    422: "The body is not what the schema says; `errors` names every bad field.",
    503: "Labels: they could not be stored; the same request can be sent again.",
}
MAXIMUM_LABELS = 500
"""In one request; the gateway's own number, which is not imported because a test compares them."""
RETRIED = (429, 503)

_NULL: Json = {"type": "null"}
_PROBLEM: Json = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldProblem"}},
        "omitted_errors": {"type": "integer", "description": "How many more fields are bad than `errors` names."},
        "models": {"type": "array", "items": {"type": "string"}, "description": "Which models there are (404)."},
    },
}
_FIELD_PROBLEM: Json = {
    "type": "object",
    "required": ["pointer", "code", "found", "allowed"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) into the request's body."},
        "code": {"type": "string"},
        "found": {"type": "string", "description": "The value as JSON, shortened."},
        "allowed": {"type": "string"},
    },
}
_MODEL: Json = {
    "type": "object",
    "description": "Which model answered.",
    "required": ["name", "version", "variant"],
    "properties": {"name": {"type": "string"}, "version": {"type": "string"}, "variant": {"type": "string"}},
}
_LISTED_MODEL: Json = {
    "type": "object",
    "required": ["name", "description", "task", "links"],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "task": {"type": "string"},
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_LIST: Json = {
    "type": "object",
    "required": ["models", "links"],
    "properties": {
        "models": {"type": "array", "items": {"$ref": "#/components/schemas/ListedModel"}},
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def openapi_document(
    models: Sequence[PublishedModel], *, base_path: str, settings: CatalogueSettings, unavailable: Sequence[str] = ()
) -> Json:
    """`models` have schemas that load; `unavailable` names those that are deployed and have none.

    `base_path` is what stands before the paths: the stage, or nothing.
    """
    scheme = settings.authorization
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Models",
            "version": "1",
            "description": "One model a path. Every error is a problem document (RFC 9457).",
        },
        "servers": [{"url": base_path or "/"}],
        "security": [{scheme: []}],
        "paths": {
            **_catalogue_paths(security=[] if settings.documentation == "public" else [{scheme: []}]),
            **{path: {"post": post} for model in models for path, post in _model_posts(model).items()},
        },
        "components": {"schemas": _schemas(models), "securitySchemes": {scheme: SECURITY_SCHEMES[scheme]}},
        **({"x-flyball-unavailable": list(unavailable)} if unavailable else {}),
    }


def _catalogue_paths(*, security: Sequence[Json]) -> Json:
    def get(summary: str, operation_id: str, content: Json) -> Json:
        answers = {"200": {"description": summary, "content": content}, **_errors(EDGE_ERRORS)}
        return {"operationId": operation_id, "summary": summary, "security": list(security), "responses": answers}

    models = {JSON_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ModelList"}}}
    page = get("A model's documentation", "document_model", {"text/html": {"schema": {"type": "string"}}})
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    page["responses"] |= _errors({404: "There is no model of that name; `models` names those that there are."})
    return {
        "/": {"get": get("The models", "index", models)},
        "/models": {"get": get("The models", "list_models", models)},
        "/openapi.json": {"get": get("This document", "openapi", {JSON_MEDIA_TYPE: {"schema": {"type": "object"}}})},
        "/models/{name}": {"get": {**page, "parameters": [name]}},
    }


def _model_posts(model: PublishedModel) -> dict[str, Json]:
    """What is sent to a model, by path."""
    return {f"/models/{model.name}/predict": _predict(model), f"/models/{model.name}/feedback": _feedback(model)}


def _predict(model: PublishedModel) -> Json:
    return {
        "operationId": f"predict_{model.name}",
        "summary": model.config.description,
        "tags": [model.name],
        "x-schema-hash": model.interface.schema_hash,
        "requestBody": {"required": True, "content": {JSON_MEDIA_TYPE: _request_content(model)}},
        "responses": {"200": _answer(model), **_errors({**EDGE_ERRORS, **MODEL_ERRORS})},
    }


def _request_content(model: PublishedModel) -> Json:
    one = {"$ref": f"#/components/schemas/{model.name}.Request"}
    many = _object({"instances": {"type": "array", "items": one, "minItems": 1}})
    many["properties"]["instances"]["maxItems"] = model.config.endpoint.maximum_rows
    examples = {
        f"example_{number}": {"summary": str(example.get("name", f"example {number}")), "value": example["request"]}
        for number, example in enumerate(model.examples, start=1)
    }
    return {"schema": {"oneOf": [one, many]}, "examples": examples}


def _answer(model: PublishedModel) -> Json:
    one: Json = {"$ref": f"#/components/schemas/{model.name}.Response"}
    which: Json = {
        "model": {"$ref": "#/components/schemas/Model"},
        "inference_id": {"type": "string", "format": "uuid"},
    }
    many: Json = {"type": "array", "items": one}
    schema = {"oneOf": [_object({"prediction": one, **which}), _object({"predictions": many, **which})]}
    return {
        "description": "One prediction, or one for each of `instances`, in their order.",
        "headers": {INFERENCE_ID_HEADER: {"schema": {"type": "string", "format": "uuid"}}},
        "content": {JSON_MEDIA_TYPE: {"schema": schema}},
    }


def _feedback(model: PublishedModel) -> Json:
    accepted = _object({"accepted": {"type": "integer", "description": "How many labels were stored."}})
    return {
        "operationId": f"label_{model.name}",
        "summary": "The truth about earlier predictions",
        "description": "All labels of a request are stored, or none. A label that is sent twice counts once; of two "
        "for one prediction the newer counts.",
        "tags": [model.name],
        "requestBody": {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": _labels(model)}}},
        "responses": {
            "202": {"description": "The labels are stored.", "content": {JSON_MEDIA_TYPE: {"schema": accepted}}},
            **_errors({**EDGE_ERRORS, **FEEDBACK_ERRORS}),
        },
    }


def _labels(model: PublishedModel) -> Json:
    one = _object(
        {
            "inference_id": {"type": "string", "format": "uuid", "description": "Of the answer that the label is for."},
            "label": {"$ref": f"#/components/schemas/{model.name}.Label"},
        }
    )
    one["properties"]["row"] = {
        "anyOf": [{"type": "integer", "minimum": 0, "exclusiveMaximum": model.config.endpoint.maximum_rows}, _NULL],
        "description": "Which of the request's `instances`, from 0; needed where there were several.",
    }
    many = _object({"labels": {"type": "array", "items": one, "minItems": 1, "maxItems": MAXIMUM_LABELS}})
    return {"oneOf": [one, many]}


def _object(properties: Json) -> Json:
    return {
        "type": "object",
        "required": list(properties),
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _errors(descriptions: Mapping[int, str]) -> Json:
    retry_after = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {
            "description": description,
            "content": content,
            **({"headers": retry_after} if status in RETRIED else {}),
        }
        for status, description in sorted(descriptions.items())
    }


def _schemas(models: Sequence[PublishedModel]) -> Json:
    shared = {
        "Problem": _PROBLEM,
        "FieldProblem": _FIELD_PROBLEM,
        "Model": _MODEL,
        "ModelList": _LIST,
        "ListedModel": _LISTED_MODEL,
    }
    for model in models:
        interface = model.interface
        shared |= _payload_schemas(model.name, "Request", interface.request, interface.request_fields)
        shared |= _payload_schemas(model.name, "Response", interface.response, interface.response_fields)
        shared |= _payload_schemas(model.name, "Label", interface.label, interface.label_fields)
    return shared


def _payload_schemas(package: str, role: str, payload: type[Payload], fields: Sequence[FieldSpec]) -> Json:
    """The payload's JSON Schema, and those that it refers to, each under the package's name."""
    schema = payload.model_json_schema(ref_template=f"#/components/schemas/{package}.{{model}}")
    definitions: Json = schema.pop("$defs", {})
    for field in fields:
        if field.unit is not None:
            schema["properties"][field.name]["x-unit"] = field.unit
    return {
        f"{package}.{role}": schema,
        **{f"{package}.{name}": definition for name, definition in definitions.items()},
    }
