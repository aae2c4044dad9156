"""What a payment looks like to the model, what it answers, and what is known about the payment weeks later."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model_packages.fields import Payload, Unit

MerchantCategory = Literal[
    "groceries", "restaurants", "fuel", "fashion", "electronics", "travel", "gaming", "gift_cards", "cash"
]
Country = Literal["DE", "FR", "IT", "ES", "NL", "PL", "GB", "US", "other"]
Channel = Literal["in_store", "online", "atm"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Request(Payload):
    """One card payment, at the moment it is authorised."""

    amount: Annotated[float, Field(ge=0.01, le=50_000.0, description="what is paid, converted"), Unit("EUR")]
    merchant_category: Annotated[
        MerchantCategory | None, Field(description="null where the acquirer sends no code")
    ] = None
    country: Annotated[Country, Field(description="where the merchant is registered (ISO 3166-1 alpha-2)")]
    channel: Annotated[Channel, Field(description="how the card is presented")]
    account_age_days: Annotated[int, Field(ge=0, le=36_500, description="since the account was opened"), Unit("day")]
    seconds_since_last_payment: Annotated[
        float | None, Field(ge=0.0, le=31_622_400.0, description="null for the card's first payment"), Unit("s")
    ] = None
    payments_last_day: Annotated[int, Field(ge=0, le=1_000, description="with this card, in the 24 hours before")]
    new_device: Annotated[bool, Field(description="the terminal or browser was never seen with this card")]
    descriptor: Annotated[str, Field(max_length=64, description="the merchant's line on the card statement")]


class Response(Payload):
    """How likely the payment is fraudulent, and what to do with it."""

    fraud_probability: Annotated[Probability, Field(description="calibrated on the training data's share of fraud")]
    decision: Annotated[
        Literal["approve", "review"], Field(description="review: among the most suspicious share of payments")
    ]


class Label(Payload):
    """What the dispute process found out."""

    fraud: Annotated[bool, Field(description="the card holder disputed the payment and was right")]
