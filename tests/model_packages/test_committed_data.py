"""The committed training data is what its source gives, and every record keeps its package's schema."""

from __future__ import annotations

import pytest

from model_packages.dataset import read_records
from model_packages.digits.data import extract as digits
from model_packages.discovery import ROOT
from model_packages.interface import load_interface
from model_packages.payments.generate import generate
from model_packages.tumours.data import extract as tumours

LIMIT_BYTES = 1_500_000


def test_the_tumours_are_scikit_learns() -> None:
    assert read_records(tumours.FILE.parent) == tumours.records()
    assert len(tumours.records()) == 569


def test_the_digits_are_scikit_learns() -> None:
    assert read_records(digits.FILE.parent) == digits.records()
    assert len(digits.records()) == 1_797


def test_the_payments_are_the_generators() -> None:
    assert read_records(ROOT / "payments" / "data") == generate(20_000, seed=1)


@pytest.mark.parametrize("name", ["tumours", "digits", "payments"])
def test_a_committed_file_is_small_and_its_records_keep_the_schema(name: str) -> None:
    interface = load_interface(name)
    folder = ROOT / name / "data"

    for record in read_records(folder):
        interface.request.model_validate(record["request"])
        interface.label.model_validate(record["label"])
    assert sum(path.stat().st_size for path in folder.glob("*.gz")) < LIMIT_BYTES
