"""The price files: one a region, dated, each price with where it is from. What is not in the file has no price."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_packages.errors import OperatorError

FOLDER = Path(__file__).with_name("prices")
DEFAULT_REGION = "us-east-1"
HOURS_A_MONTH = 730

PriceName = Literal[
    "advanced_parameter_month",
    "alarm_month",
    "api_call_million",
    "composite_alarm_month",
    "custom_metric_month",
    "dashboard_month",
    "endpoint_data_gb",
    "high_resolution_alarm_month",
    "interface_endpoint_hour",
    "kms_key_month",
    "lambda_gb_second",
    "lambda_request_million",
    "logs_gb",
    "ml_storage_gb_month",
    "nat_gateway_hour",
    "public_address_hour",
    "s3_gb_month",
    "secret_month",
    "state_transition",
    "web_acl_month",
    "web_acl_request_million",
    "web_acl_rule_month",
]


class Price(BaseModel):
    """One price and the name of its source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd: Annotated[float, Field(gt=0)]
    source: str


class Prices(BaseModel):
    """One file of cdk/cost/prices/."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    currency: Literal["USD"]
    date: datetime.date
    sources: Mapping[str, str]
    instance_hour: Mapping[str, Price]
    price: Mapping[PriceName, Price]

    @model_validator(mode="after")
    def _every_source_is_explained(self) -> Self:
        entries = [*self.instance_hour.items(), *self.price.items()]
        nameless = [name for name, entry in entries if entry.source not in self.sources]
        if nameless:
            raise ValueError(f"[sources] does not explain the source of {', '.join(nameless)}")
        return self

    def of_instance(self, instance_type: str) -> float | None:
        """USD an hour of an endpoint's instance, or None where the file has no price."""
        found = self.instance_hour.get(instance_type)
        return found.usd if found else None

    def of(self, name: PriceName) -> float | None:
        """USD of one unit, or None where the file has no price."""
        found = self.price.get(name)
        return found.usd if found else None

    @property
    def file(self) -> str:
        """Where a missing price belongs."""
        return f"cdk/cost/prices/{self.region}.toml"


@cache
def read_prices(region: str | None = None) -> Prices:
    """The prices of a region; of us-east-1 where it has no file, which `Prices.region` then says.

    Raises: OperatorError that names what is wrong in the file.
    """
    path = FOLDER / f"{region}.toml"
    return parse_prices(path if path.is_file() else FOLDER / f"{DEFAULT_REGION}.toml")


def parse_prices(path: Path) -> Prices:
    """Raises: OperatorError that names what is wrong in the file."""
    try:
        return Prices.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise OperatorError(f"{path} cannot be used as a price file: {error}") from error
