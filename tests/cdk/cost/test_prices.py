"""The price files: in form, explained, and with a price for whatever the kit comes with."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from cdk.cost.prices import FOLDER, PriceName, parse_prices, read_prices
from cdk.preflight.hardware import instance_types
from model_packages.contract import Endpoint
from model_packages.discovery import ROOT, discover, read_package
from model_packages.errors import OperatorError

FILES = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_a_price_file_is_in_form_and_says_where_each_price_is_from(path: Path) -> None:
    prices = parse_prices(path)

    assert prices.region == path.stem
    assert set(prices.price) == set(get_args(PriceName))
    used = {entry.source for entry in [*prices.instance_hour.values(), *prices.price.values()]}
    assert used == set(prices.sources)
    assert set(prices.instance_hour) <= set(instance_types("endpoint"))


def test_everything_that_comes_along_has_a_price() -> None:
    prices = read_prices()
    packages = [*discover(), read_package(ROOT / "_template")]

    types = {package.config.endpoint.instance_type for package in packages} | {Endpoint().instance_type}

    assert {each for each in types if prices.of_instance(each) is None} == set()


def test_a_larger_size_of_a_family_costs_more() -> None:
    prices = read_prices()
    families: dict[str, dict[int, float]] = {}
    for name, price in prices.instance_hour.items():
        family, _, size = name.removeprefix("ml.").partition(".")
        times = 0 if size == "large" else int(size.removesuffix("xlarge") or 1)
        families.setdefault(family, {})[times] = price.usd

    for sizes in families.values():
        ascending = [sizes[times] for times in sorted(sizes)]
        assert ascending == sorted(ascending)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kms_key_month = { usd = 1.0, source = "hearsay" }', "hearsay"),
        ('kms_key_month = { usd = 0, source = "seen" }', "greater than 0"),
        ('kms_key_moon = { usd = 1.0, source = "seen" }', "kms_key_moon"),
        ("kms_key_month = ", "price file"),
    ],
)
def test_a_wrong_price_file_is_refused_with_what_is_wrong(tmp_path: Path, line: str, said: str) -> None:
    head = 'region = "x"\ncurrency = "USD"\ndate = 2026-11-22\n[sources]\nseen = "seen"\n[instance_hour]\n[price]\n'
    path = tmp_path / "x.toml"
    path.write_text(head + line + "\n", encoding="utf-8")

    with pytest.raises(OperatorError, match=said if said != "hearsay" else "kms_key_month"):
        parse_prices(path)
