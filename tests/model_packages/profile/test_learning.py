"""What a baseline learns from a version's data."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from model_packages.errors import OperatorError
from model_packages.profile.baseline import Baseline, FieldProfile
from model_packages.profile.fold import fold
from model_packages.profile.learning import build_baseline, sample
from tests.model_packages.profile.samples import INTERFACE, captured, flowers, requests, responses


def field(baseline: Baseline, name: str) -> FieldProfile:
    [found] = [field for field in baseline.fields if field.name == name]
    return found


def shares(baseline: Baseline, counts: Any, key: str) -> list[float]:
    [place] = [place for place, column in enumerate(baseline.columns) if column.key == key]
    found = counts[baseline.cells_of(place)]
    return [*(found / found.sum())]


def test_a_baseline_counts_its_own_rows() -> None:
    baseline = flowers()

    assert baseline.rows == 600
    assert baseline.tally.responses == 200
    assert [column.key for column in baseline.columns if column.side == "response"] == [
        "response.score",
        "response.kind",
    ]
    assert sum(shares(baseline, baseline.counts, "request.height")) == pytest.approx(1)


def test_the_same_data_gives_the_same_baseline() -> None:
    again = build_baseline(INTERFACE, requests=requests(600, seed=1), responses=responses(200, seed=1))

    assert again.to_json() == flowers().to_json()
    assert again.identity == flowers().identity == flowers().tally.baseline


def test_a_baseline_is_the_same_after_a_round_trip() -> None:
    read = Baseline.from_json(flowers().to_json())

    assert read.to_json() == flowers().to_json()
    assert read.identity == flowers().identity
    assert fold(read, captured(50, seed=3)).to_bytes() == fold(flowers(), captured(50, seed=3)).to_bytes()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_what_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="found no baseline"):
        Baseline.from_json(text)


def test_a_baseline_of_another_format_is_refused() -> None:
    document = json.loads(flowers().to_json())

    with pytest.raises(OperatorError, match=r"format 0; allowed: 1 \(train the version again\)"):
        Baseline.from_json(json.dumps({**document, "format": 0}))


def test_constraints_come_from_the_schema_and_where_it_says_nothing_from_the_data() -> None:
    baseline = flowers()

    height, petals, age = (field(baseline, name).constraints for name in ("height", "petals", "age"))
    assert (height.minimum, height.maximum) == (0.0, 1000.0)
    assert (petals.minimum, petals.maximum) == (0, 7 + 4)
    assert age.minimum is not None
    assert age.minimum < -8
    assert field(baseline, "colour").constraints.categories == ("red", "green", "blue")
    assert field(baseline, "wild").constraints.categories == ("false", "true")


def test_completeness_is_whole_where_nothing_was_missing_and_has_some_room_where_something_was() -> None:
    baseline = flowers()
    age = field(baseline, "age")
    present = 1 - baseline.tally.missing[baseline.place_of(age)] / 600

    assert field(baseline, "height").constraints.completeness == 1.0
    assert age.constraints.completeness == pytest.approx(present - 0.05, abs=1e-3)


def test_values_that_all_differ_are_expected_to() -> None:
    rows = [{**row, "note": f"flower {number:x}"} for number, row in enumerate(requests(400, seed=1))]

    baseline = build_baseline(INTERFACE, requests=rows, responses=[])

    assert field(baseline, "note").constraints.uniqueness == pytest.approx(0.85)
    assert field(baseline, "petals").constraints.uniqueness is None
    assert field(flowers(), "petals").constraints.uniqueness is None


def test_a_vocabulary_made_of_the_baselines_own_texts_does_not_flatter_them() -> None:
    """Half of the tokens are new in every text, in the baseline and in the window alike."""
    draw = random.Random(0)  # noqa: S311
    common = ["rose", "tulip", "lily"]

    def notes(count: int) -> list[dict[str, Any]]:
        words = ["".join(draw.choices("abcdefgh", k=12)) for _ in range(count)]
        rows = zip(requests(count, seed=1), words, strict=True)
        return [{**row, "note": f"{draw.choice(common)} {word}"} for row, word in rows]

    baseline = build_baseline(INTERFACE, requests=notes(500), responses=[])
    window = fold(baseline, [{"request": row, "response": None} for row in notes(500)])

    key = "request.note.unknown_tokens"
    assert shares(baseline, window.cells, key) == pytest.approx(shares(baseline, baseline.counts, key), abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_fresh_rows_of_the_same_kind_look_like_the_baseline(seed: int) -> None:
    """No column is biased by having been learnt from the very rows that it was then counted on."""
    baseline = build_baseline(INTERFACE, requests=requests(3000, seed=50), responses=responses(3000, seed=50))

    window = fold(baseline, captured(3000, seed=60 + seed))

    for place, column in enumerate(baseline.columns):
        own, found = (counts[baseline.cells_of(place)] for counts in (baseline.counts, window.cells))
        gap = np.abs(np.cumsum(own / own.sum()) - np.cumsum(found / found.sum())).max()
        assert gap < 0.07, column.key


def test_a_baseline_without_responses_or_values_has_columns_all_the_same() -> None:
    rows = [{"height": None, "note": None, "spectrum": None, "picture": None, "wild": None}] * 3

    baseline = build_baseline(INTERFACE, requests=rows, responses=[])

    window = fold(baseline, captured(20, seed=1))
    assert json.loads(baseline.to_json())["format"] == 1
    assert window.rows == 20
    assert field(baseline, "height").constraints.completeness == 0.0


def test_a_baseline_of_a_sample_counts_all_rows() -> None:
    assert sample(list(range(10)), 20) == list(range(10))
    assert sample(list(range(1000)), 50) == sample(list(range(1000)), 50)
    assert len(sample(list(range(1000)), 50)) == 50
