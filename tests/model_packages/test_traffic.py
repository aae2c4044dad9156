"""Traffic for replays, and fields that are changed on purpose."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from model_packages import traffic as module
from model_packages.errors import OperatorError
from model_packages.fields import FieldSpec, Kind
from model_packages.interface import load_interface
from model_packages.shifting import PREFIX, Shift, shifted
from model_packages.traffic import main, traffic


def field(kind: Kind, **more: object) -> FieldSpec:
    plain = {"name": "x", "kind": kind, "dtype": None, **more}
    return FieldSpec(**plain)  # type: ignore[arg-type]


def values(
    kind: Kind, before: list[object], *, shift: Shift | None = None, first: int = 0, **more: object
) -> list[object]:
    requests = [{"x": value} for value in before]
    shift = shift or Shift(field="x", size=1.0)
    return [request["x"] for request in shifted(requests, shift, fields=[field(kind, **more)], seed=1, first=first)]


def test_a_number_moves_by_standard_deviations_and_stays_within_its_bounds() -> None:
    assert values(Kind.NUMERIC, [0.0, 2.0, 4.0, 6.0], maximum=7.0) == pytest.approx([5**0.5, 2 + 5**0.5, 4 + 5**0.5, 7])
    assert values(Kind.INTEGER, [0, 4]) == [2, 6]


def test_an_image_gets_brighter_pixel_by_pixel() -> None:
    assert values(Kind.IMAGE, [[[0, 4], [4, 0]]], maximum=5) == [[[2, 5], [5, 2]]]


def test_a_category_a_flag_and_a_text_change_in_a_share_of_the_rows() -> None:
    half = Shift(field="x", size=0.5)

    categories = values(Kind.CATEGORY, ["a"] * 1000, shift=half, categories=("a", "b", "c"))
    flags = values(Kind.BOOLEAN, [False] * 1000, shift=half)
    texts = values(Kind.TEXT, ["shop"] * 1000, shift=half, maximum_length=6)

    assert 400 < categories.count("c") < 600
    assert set(categories) == {"a", "c"}
    assert 400 < flags.count(True) < 600
    assert set(texts) == {"shop", f"{PREFIX}shop"[:6]}


def test_only_what_may_be_missing_goes_missing() -> None:
    gone = Shift(field="x", size=1.0, missing=True)

    assert values(Kind.NUMERIC, [1.0, None, 3.0], shift=gone, nullable=True) == [None, None, None]
    with pytest.raises(OperatorError, match="x may not be missing"):
        values(Kind.NUMERIC, [1.0], shift=gone)


def test_rows_before_the_first_stay_as_they_are() -> None:
    assert values(Kind.INTEGER, [0, 4, 0, 4], first=2) == [0, 4, 2, 6]


@pytest.mark.parametrize(
    ("shift", "sentence"),
    [
        (Shift(field="y"), "no field is called 'y'; allowed: x"),
        (Shift(field="x", size=1.5), "size is 1.5; allowed for a share of the requests: 0 to 1"),
    ],
)
def test_a_shift_that_cannot_be_is_refused(shift: Shift, sentence: str) -> None:
    with pytest.raises(OperatorError, match=sentence):
        values(Kind.BOOLEAN, [True], shift=shift)


def test_a_png_is_refused_by_name() -> None:
    with pytest.raises(OperatorError, match="x is a PNG"):
        values(Kind.IMAGE, ["iVBOR"])


@pytest.mark.parametrize("package", ["payments", "digits", "tumours"])
def test_every_package_has_traffic_that_its_schema_takes(package: str) -> None:
    interface = load_interface(package)

    records = traffic(package, rows=60, seed=3)

    assert records == traffic(package, rows=60, seed=3)
    assert records != traffic(package, rows=60, seed=4)
    for record in records:
        interface.request.model_validate_json(json.dumps(record["request"]))
        interface.label.model_validate_json(json.dumps(record["label"]))


@pytest.mark.parametrize(("package", "name"), [("payments", "amount"), ("digits", "image"), ("tumours", "mean_radius")])
def test_a_field_of_every_package_can_be_shifted_from_a_row_on(package: str, name: str) -> None:
    interface = load_interface(package)
    fields = {each.name for each in interface.request_fields}
    name = name if name in fields else min(fields)

    plain = traffic(package, rows=200, seed=3)
    changed = traffic(package, rows=200, seed=3, shift=Shift(field=name, size=1.0), first=100)

    assert changed[:100] == plain[:100]
    assert all(a["request"] != b["request"] for a, b in zip(plain[100:], changed[100:], strict=True))
    assert [record["label"] for record in changed] == [record["label"] for record in plain]
    for record in changed:
        interface.request.model_validate_json(json.dumps(record["request"]))


def test_a_packages_own_generator_is_asked() -> None:
    rows = traffic("payments", rows=400, seed=1, shift=Shift(field="amount"), first=200)

    amounts = [record["request"]["amount"] for record in rows]
    assert statistics.median(amounts[200:]) > 2 * statistics.median(amounts[:200])


def test_the_process_writes_records_or_says_why_not(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"

    main(["digits", "--rows", "5", "--seed", "1", "--out", str(out)])

    assert len(out.read_text().splitlines()) == 5
    with pytest.raises(SystemExit, match="no field is called 'nothing'"):
        main(["digits", "--rows", "5", "--seed", "1", "--shift", "nothing", "--out", str(out)])
    assert module.PACKAGES.name == "model_packages"
