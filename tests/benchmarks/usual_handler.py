"""The usual way to write such a function: boto3, and Powertools' Logger, Metrics, Tracer and event handler."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit
from model_packages.flowers import schema  # type: ignore[import-not-found]
from pydantic import ValidationError

logger = Logger()
metrics = Metrics()
tracer = Tracer()
app = APIGatewayRestResolver()
client = boto3.client("sagemaker-runtime")


@app.post("/models/flowers/predict")
@tracer.capture_method
def predict() -> Response[str]:
    body = app.current_event.json_body
    try:
        schema.Request.model_validate(body)
    except ValidationError as error:
        return Response(422, "application/json", error.json())
    answer = client.invoke_endpoint(
        EndpointName=os.environ["FLYBALL_ENDPOINT_NAME"], ContentType="application/json", Body=json.dumps(body)
    )
    [prediction] = json.loads(answer["Body"].read())["predictions"]
    metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
    logger.info("answered", extra={"variant": answer["InvokedProductionVariant"]})
    return Response(200, "application/json", json.dumps({"prediction": schema.Response(**prediction).model_dump()}))


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
