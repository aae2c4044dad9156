"""Writes the records that are committed beside this file: scikit-learn's bundled digits, unchanged.

Run it with `python -m model_packages.digits.data.extract` where scikit-learn is installed; training does not need it.
"""

from __future__ import annotations

from pathlib import Path

from sklearn.datasets import load_digits

from model_packages.dataset import Record, write_records

FILE = Path(__file__).parent / "digits.jsonl.gz"


def records() -> list[Record]:
    """All 1,797 records: an image's 8 rows of 8 pixels, from 0 (paper) to 16 (ink)."""
    data = load_digits()
    return [
        {"request": {"image": image.astype(int).tolist()}, "label": {"digit": int(digit)}}
        for image, digit in zip(data.images, data.target, strict=True)
    ]


if __name__ == "__main__":
    write_records(records(), FILE)
