"""Asks Evidently or NannyML about windows, in an environment of the library's own; `drift_libraries.py` starts it.

`python drift_library_worker.py evidently|nannyml FILE.npz` prints each window's distance of each field as JSON.
Nothing of Flyball is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Tables = Mapping[str, Any]


def evidently_scores(reference: Any, windows: Sequence[Any]) -> list[dict[str, float]]:
    """By the data drift preset with nothing set."""
    library, presets = importlib.import_module("evidently"), importlib.import_module("evidently.presets")
    categories = [name for name in reference.columns if name.startswith("category")]
    numbers = [name for name in reference.columns if name not in categories]
    definition = library.DataDefinition(numerical_columns=numbers, categorical_columns=categories)

    def dataset(frame: Any) -> Any:
        return library.Dataset.from_pandas(frame, data_definition=definition)

    report = library.Report([presets.DataDriftPreset()])
    found = []
    for frame in windows:
        metrics = report.run(dataset(frame), dataset(reference)).dict()["metrics"]
        values = {metric["config"].get("column"): metric["value"] for metric in metrics}
        found.append({name: float(values[name]) for name in reference.columns})
    return found


def nannyml_scores(reference: Any, windows: Sequence[Any]) -> list[dict[str, float]]:
    """By the univariate drift calculator with nothing set but the columns; a window is a chunk."""
    library, frames = importlib.import_module("nannyml"), importlib.import_module("pandas")
    categories = [name for name in reference.columns if name.startswith("category")]
    found = []
    calculator = library.UnivariateDriftCalculator(
        column_names=list(reference.columns), treat_as_categorical=categories, chunk_number=1
    ).fit(reference)
    for frame in windows:
        table = calculator.calculate(frame.reset_index(drop=True)).filter(period="analysis").to_df()
        assert isinstance(table, frames.DataFrame)
        found.append({name: float(table[name]["jensen_shannon"]["value"].iloc[0]) for name in reference.columns})
    return found


def main() -> None:
    library, path = sys.argv[1:]
    frames = importlib.import_module("pandas")
    content = np.load(path)
    tables: dict[str, dict[str, Any]] = {}
    for key in content.files:
        table, name = key.split("/")
        values = content[key]
        tables.setdefault(table, {})[name] = values.astype(str) if name.startswith("category") else values.astype(float)
    reference = frames.DataFrame(tables.pop("reference"))
    windows = [frames.DataFrame(tables[table]) for table in sorted(tables)]
    scores = {"evidently": evidently_scores, "nannyml": nannyml_scores}[library](reference, windows)
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
