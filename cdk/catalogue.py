"""The function that answers for the API as a whole: its index, the list of models, the OpenAPI document, and 404."""

from __future__ import annotations

from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.network import Network
from cdk.python_function import FunctionSpec, PythonFunction
from cdk.settings import PlatformSettings
from cdk.sources import Sources
from functions.catalogue.settings import CatalogueSettings


class Catalogue(PythonFunction):
    """It knows every package's schema, and calls nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        sources: Sources,
        key: kms.IKey,
        network: Network,
        settings: PlatformSettings,
    ) -> None:
        environment = CatalogueSettings(
            authorization=settings.authorization, documentation=settings.documentation
        ).to_environment()
        spec = FunctionSpec(
            description="Lists the models and documents the API",
            asset=sources.function_asset("catalogue", packages=sources.packages),
            environment=environment,
            timeout_seconds=10,
            memory_mb=512,
        )
        super().__init__(scope, construct_id, spec=spec, key=key, interfaces=network.functions, settings=settings)
