"""Writes the records that are committed beside this file: scikit-learn's bundled breast cancer data, unchanged.

Run it with `python -m model_packages.tumours.data.extract` where scikit-learn is installed; training does not need it.
"""

from __future__ import annotations

from pathlib import Path

from sklearn.datasets import load_breast_cancer

from model_packages.dataset import Record, write_records

FILE = Path(__file__).parent / "tumours.jsonl.gz"


def records() -> list[Record]:
    """All 569 records; a feature's name is scikit-learn's with underscores."""
    data = load_breast_cancer()
    features = [name.replace(" ", "_") for name in data.feature_names]
    return [
        {
            "request": dict(zip(features, row.tolist(), strict=True)),
            "label": {"diagnosis": str(data.target_names[target])},
        }
        for row, target in zip(data.data, data.target, strict=True)
    ]


if __name__ == "__main__":
    write_records(records(), FILE)
