"""What SageMaker says of endpoints and their configs: the Describe and List operations, in place of moto's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from local.services.sagemaker.listing import Listing
from local.services.sagemaker.moto_state import MotoState, described
from local.services.sagemaker.service_model import answer, check, invalid

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]

ENDPOINTS: Final = Listing("ListEndpoints", key="Endpoints", name="EndpointName", status="EndpointStatus")
CONFIGS: Final = Listing("ListEndpointConfigs", key="EndpointConfigs", name="EndpointConfigName")


class EndpointDescriptions:
    """DescribeEndpoint, DescribeEndpointConfig, ListEndpoints and ListEndpointConfigs."""

    def __init__(self, state: MotoState) -> None:
        self._state = state

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "DescribeEndpoint": self.describe_endpoint,
            "DescribeEndpointConfig": self.describe_config,
            "ListEndpoints": self.list_endpoints,
            "ListEndpointConfigs": self.list_configs,
        }

    def describe_endpoint(self, parameters: Document) -> Document:
        """All that is known of an endpoint."""
        check("DescribeEndpoint", parameters)
        name = parameters["EndpointName"]
        endpoint = self._state.backend.endpoints.get(name)
        if endpoint is None:
            raise invalid(f'Could not find endpoint "{self._state.arn("endpoint", name)}".')
        document = described(endpoint)
        if (capture := document.pop("DataCaptureConfig", None)) is not None:
            document["DataCaptureConfig"] = _capture_summary(capture)
        return answer("DescribeEndpoint", document)

    def describe_config(self, parameters: Document) -> Document:
        """All that is known of an endpoint config."""
        check("DescribeEndpointConfig", parameters)
        name = parameters["EndpointConfigName"]
        config = self._state.backend.endpoint_configs.get(name)
        if config is None:
            raise invalid(f'Could not find endpoint configuration "{self._state.arn("endpoint-config", name)}".')
        return answer("DescribeEndpointConfig", described(config))

    def list_endpoints(self, parameters: Document) -> Document:
        """The endpoints that are asked for, a page at a time."""
        endpoints = [described(endpoint) for endpoint in list(self._state.backend.endpoints.values())]
        return answer("ListEndpoints", ENDPOINTS.page(parameters, endpoints))

    def list_configs(self, parameters: Document) -> Document:
        """The configs that are asked for, a page at a time."""
        configs = [described(config) for config in list(self._state.backend.endpoint_configs.values())]
        return answer("ListEndpointConfigs", CONFIGS.page(parameters, configs))


def _capture_summary(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "EnableCapture": config.get("EnableCapture", False),
        "CaptureStatus": "Started" if config.get("EnableCapture") else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
