"""Synthetic card payments with their labels, in time order: the same seed gives the same records.

No payment here ever happened. The generator knows each payment's true risk (`fraud_log_odds`), so that a model can be
compared with the best possible one. A `Shift` changes how one field is measured from a given time on, for trying out
drift monitoring; payments and labels stay what they are. Standard library only.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from model_packages.dataset import Record, write_records
from model_packages.errors import OperatorError
from model_packages.fields import FieldSpec, Kind, describe

from .schema import Request

START = datetime(2026, 1, 1, tzinfo=UTC)
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
MEAN_GAP_SECONDS = 600.0
MISSING_CATEGORY_SHARE = 0.06
FIRST_PAYMENT_SHARE = 0.03
REFERENCE_ROWS = 5_000
PROCESSOR_PREFIX = "NEWPAY*"


@dataclass(frozen=True, slots=True)
class Trade:
    """What is typical of one merchant category; `risk` is its part of the log-odds of fraud."""

    share: float
    median_amount_eur: float
    online_share: float
    risk: float
    merchants: tuple[str, ...]


TRADES: Mapping[str, Trade] = {
    "groceries": Trade(0.30, 28.0, 0.06, -1.0, ("NORDMARKT", "FRISCHHOF", "LA HUERTA", "PETIT PANIER")),
    "restaurants": Trade(0.18, 24.0, 0.15, -0.8, ("TRATTORIA SOLE", "CAFE MILA", "NOODLE BAR 88", "ZUM ANKER")),
    "fuel": Trade(0.10, 58.0, 0.00, -0.4, ("TANKHOF", "ROUTE OIL", "AUTOPORT")),
    "fashion": Trade(0.13, 62.0, 0.55, 0.2, ("LINNEN AND CO", "MODA VIVA", "STEPWELL SHOES")),
    "electronics": Trade(0.08, 180.0, 0.60, 0.9, ("PIXELHAUS", "VOLTA STORE", "KABELWERK")),
    "travel": Trade(0.06, 240.0, 0.85, 0.5, ("AIRWEG", "HOTEL MERIDIAN", "RAILPASS")),
    "gaming": Trade(0.06, 19.0, 1.00, 0.8, ("ORC AND ELF", "PLAYFIELD", "ARCADIA")),
    "gift_cards": Trade(0.03, 50.0, 0.90, 1.6, ("CARDORAMA", "GIFTLY", "PREPAID POINT")),
    "cash": Trade(0.06, 100.0, 0.00, 0.1, ("ATM STADTBANK", "ATM CAJA SUR", "ATM WEST")),
}
COUNTRY_SHARES: Mapping[str, float] = {
    "DE": 0.34, "FR": 0.16, "IT": 0.11, "ES": 0.10, "NL": 0.09, "PL": 0.07, "GB": 0.06, "US": 0.04, "other": 0.03,
}  # fmt: skip
CITIES = ("BERLIN", "LYON", "TORINO", "SEVILLA", "UTRECHT", "GDANSK", "LEEDS", "BOSTON")


@dataclass(frozen=True, slots=True)
class Shift:
    """From `at` on, `field` is measured differently.

    `size` counts standard deviations that are added to a number, or is the share of the payments whose category or
    flag becomes the last one, or whose text gets a payment processor's prefix. With `missing` it is the share of the
    payments that lose the field.
    """

    field: str
    at: datetime
    size: float
    missing: bool = False


def generate(rows: int, seed: int, *, shift: Shift | None = None) -> list[Record]:
    """`rows` labelled payments in time order. More rows of the same seed begin with the same records.

    Raises: OperatorError if `shift` names no field, or a size that the field cannot have.
    """
    draw = random.Random(seed)  # noqa: S311 - a simulation: repeatable on purpose
    moment, records = START, []
    for _ in range(rows):
        moment += timedelta(seconds=round(draw.expovariate(1.0 / MEAN_GAP_SECONDS)))
        records.append(_record(draw, moment))
    return records if shift is None else _shifted(records, shift, seed)


def fraud_log_odds(request: Mapping[str, Any]) -> float:
    """The true log-odds that this payment is fraudulent, for a payment whose category is known."""
    trade = TRADES[request["merchant_category"]]
    online, new_device = request["channel"] == "online", request["new_device"]
    young, since_last = request["account_age_days"] < 30, request["seconds_since_last_payment"]
    return math.fsum(
        (
            -7.6,
            1.3 * trade.risk,
            1.4 * math.log(request["amount"] / trade.median_amount_eur),
            1.2 * online,
            1.6 * new_device,
            1.4 * (request["country"] in ("US", "other")),
            1.8 * young,
            0.6 * request["payments_last_day"] ** 0.5,
            2.0 * (since_last is not None and since_last < 300),
            2.6 * ("INSTANT" in request["descriptor"]),
            4.0 * (online and new_device and request["amount"] > 100),
        )
    )


def _record(draw: random.Random, moment: datetime) -> Record:
    request = _payment(draw)
    probability = 1.0 / (1.0 + math.exp(-fraud_log_odds(request)))
    fraud = draw.random() < probability
    if draw.random() < MISSING_CATEGORY_SHARE:
        request["merchant_category"] = None
    return {"request": request, "label": {"fraud": fraud}, "time": moment.strftime(TIME_FORMAT)}


def _payment(draw: random.Random) -> dict[str, Any]:
    category = draw.choices(list(TRADES), [trade.share for trade in TRADES.values()])[0]
    trade = TRADES[category]
    channel = "atm" if category == "cash" else "online" if draw.random() < trade.online_share else "in_store"
    busy = draw.random() < 0.08
    return {
        "amount": round(min(50_000.0, max(0.5, draw.lognormvariate(math.log(trade.median_amount_eur), 0.8))), 2),
        "merchant_category": category,
        "country": draw.choices(list(COUNTRY_SHARES), list(COUNTRY_SHARES.values()))[0],
        "channel": channel,
        "account_age_days": int(draw.weibullvariate(900.0, 0.9)),
        "seconds_since_last_payment": _seconds_since_last_payment(draw, busy=busy),
        "payments_last_day": min(40, int(draw.expovariate(1.0 / (6.0 if busy else 1.2)))),
        "new_device": draw.random() < (0.18 if channel == "online" else 0.05),
        "descriptor": _descriptor(draw, trade=trade, online=channel == "online"),
    }


def _seconds_since_last_payment(draw: random.Random, *, busy: bool) -> float | None:
    if draw.random() < FIRST_PAYMENT_SHARE:
        return None
    return float(min(5_000_000, round(draw.lognormvariate(math.log(300.0 if busy else 40_000.0), 1.4))))


def _descriptor(draw: random.Random, *, trade: Trade, online: bool) -> str:
    merchant = draw.choice(trade.merchants)
    if not online:
        return f"{merchant} {draw.randrange(1, 100):04d} {draw.choice(CITIES)}"
    delivery = draw.choices(("ORDER", "MARKETPLACE", "INSTANT CODE"), (0.78, 0.14, 0.08))[0]
    return f"{merchant}*{delivery} {draw.randrange(1_000, 10_000)}"


def _shifted(records: Sequence[Record], shift: Shift, seed: int) -> list[Record]:
    change = _change(shift)
    draw = random.Random(f"shift {seed}")  # noqa: S311 - its own stream: the payments stay those of `seed`
    at = shift.at if shift.at.tzinfo else shift.at.replace(tzinfo=UTC)
    begin = at.astimezone(UTC).strftime(TIME_FORMAT)
    return [_changed(record, shift.field, change, draw) if record["time"] >= begin else record for record in records]


def _changed(record: Record, field: str, change: Callable[[Any, float], Any], draw: random.Random) -> Record:
    chance, value = draw.random(), record["request"][field]
    request = record["request"] if value is None else {**record["request"], field: change(value, chance)}
    return {**record, "request": request}


def _change(shift: Shift) -> Callable[[Any, float], Any]:
    """What happens to a value of the shifted field, given a number drawn uniformly from [0, 1)."""
    field = _field(shift.field)
    if not shift.missing and field.kind in (Kind.NUMERIC, Kind.INTEGER):
        return _moved_number(field, shift.size * _standard_deviation(field.name))
    if not 0.0 <= shift.size <= 1.0:
        raise OperatorError(f"size is {shift.size}; allowed for a share of the payments: 0 to 1")
    if shift.missing and not field.nullable:
        raise OperatorError(f"{field.name} may not be missing; allowed: a nullable field of Request")
    return lambda value, chance: _replacement(field, value, missing=shift.missing) if chance < shift.size else value


def _moved_number(field: FieldSpec, distance: float) -> Callable[[Any, float], Any]:
    low, high = field.minimum or 0.0, field.maximum or math.inf
    digits = None if field.kind is Kind.INTEGER else 2
    return lambda value, _chance: round(min(high, max(low, value + distance)), digits)


def _replacement(field: FieldSpec, value: Any, *, missing: bool) -> Any:
    if missing:
        return None
    if field.kind is Kind.TEXT:
        return f"{PROCESSOR_PREFIX}{value}"[: field.maximum_length]
    return field.categories[-1] if field.kind is Kind.CATEGORY else True


def _field(name: str) -> FieldSpec:
    fields = {field.name: field for field in describe(Request)}
    if name not in fields:
        raise OperatorError(f"no field is called {name!r}; allowed: {', '.join(fields)}")
    return fields[name]


@cache
def _standard_deviation(field: str) -> float:
    """Of a reference sample, so that a size means the same change whatever is generated."""
    measured = [record["request"][field] for record in generate(REFERENCE_ROWS, seed=0)]
    values: list[float] = [value for value in measured if value is not None]
    return statistics.pstdev(values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes generated payments to a file; see --help."""
    parser = argparse.ArgumentParser(prog="python -m model_packages.payments.generate", description=main.__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a *.jsonl or *.jsonl.gz file")
    parser.add_argument("--shift", metavar="FIELD", help="a field of Request; needs --at and --size")
    parser.add_argument("--at", type=datetime.fromisoformat, help="ISO 8601, for example 2026-03-01T00:00:00Z")
    parser.add_argument("--size", type=float, help="standard deviations of a number, else a share of the payments")
    parser.add_argument("--missing", action="store_true", help="the field goes missing instead of changing")
    chosen = parser.parse_args(arguments)
    if chosen.shift and (chosen.at is None or chosen.size is None):
        parser.error("--shift needs --at and --size")
    shift = Shift(chosen.shift, chosen.at, chosen.size, missing=chosen.missing) if chosen.shift else None
    write_records(generate(chosen.rows, chosen.seed, shift=shift), chosen.out)


if __name__ == "__main__":
    main()
