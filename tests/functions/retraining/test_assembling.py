"""A run's data: base and captured records, split so that nothing of the holdout was trained on, with a manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.retraining.assembling import (
    AGAIN,
    BASE,
    CAPTURED,
    HOLDOUT,
    IN_BASE_HOLDOUT,
    IN_TRAINING,
    LEAST_HOLDOUT_ROWS,
    ORIGINS,
    Assembler,
    compressed,
    divide,
)
from functions.retraining.base_data import BaseData, BaseRecord, read_base_data
from functions.retraining.labelled import LabelledRow
from model_packages.contract import PackageConfig, Training
from model_packages.dataset import Record, read_records, split_holdout
from model_packages.errors import OperatorError
from model_packages.interface import load_interface
from tests.functions.monitor.cloud import Cloud, Died
from tests.functions.monitor.flowers import ENDPOINT, NOON, requests_of
from tests.functions.retraining.garden import (
    BASE_KEY,
    EVENT,
    HOUR,
    NOW,
    PREFIX,
    SETTINGS,
    base_records,
    cloud_with,
    config_with,
    jsonl,
    label,
    label_line,
    predict,
    predict_rows,
    put_labels,
    records_in,
    truth_of,
    zipped,
)

MANIFEST = "flowers/runs/run-1/manifest.json"


def assembler_on(cloud: Cloud, config: PackageConfig | None = None, **limits: Any) -> Assembler:
    return Assembler(
        s3=cloud.client(),
        settings=SETTINGS,
        config=config or config_with(),
        interface=load_interface("flowers"),
        **limits,
    )


def assemble(cloud: Cloud, config: PackageConfig | None = None, event: Mapping[str, Any] = EVENT) -> dict[str, Any]:
    return assembler_on(cloud, config).assemble(event)


def labelled_cloud(hours: int = 4, rows: int = 25) -> Cloud:
    """`rows` labelled predictions in each of the hours before noon."""
    cloud = cloud_with()
    for number in range(hours):
        moment = NOON - number * HOUR
        label(cloud, predict(cloud, rows, at=moment, seed=number), at=moment)
    return cloud


def manifest_of(cloud: Cloud) -> dict[str, Any]:
    return cast(dict[str, Any], cloud.json_at(MANIFEST))


def written(cloud: Cloud) -> dict[str, bytes]:
    return {key: cloud.objects[key] for key in cloud.keys_below("") if key.startswith((PREFIX, "flowers/"))}


def requests_in(cloud: Cloud, *names: str) -> set[str]:
    return {json.dumps(each["request"], sort_keys=True) for name in names for each in records_in(cloud, PREFIX + name)}


def test_training_is_the_base_data_and_the_earlier_labelled_captures() -> None:
    cloud = labelled_cloud()

    answer = assemble(cloud)

    assert answer["rows"] == {"base": 160, "captured": 50, "training": 210, "holdout": 50}
    latest_trained = max(record["time"] for record in records_in(cloud, PREFIX + CAPTURED))
    assert latest_trained < "2026-02-14T11" <= min(record["time"] for record in records_in(cloud, PREFIX + HOLDOUT))


def test_the_answer_says_where_everything_lies() -> None:
    answer = assemble(labelled_cloud())

    run = f"retraining/{ENDPOINT}/run-1/"
    assert {name: uri for name, uri in answer.items() if name != "rows"} == {
        "training_uri": f"s3://captures/{run}training/",
        "holdout_uri": f"s3://captures/{run}holdout/",
        "checkpoints_uri": f"s3://captures/{run}checkpoints/",
        "manifest_uri": "s3://artifacts/flowers/runs/run-1/manifest.json",
        "output_uri": "s3://artifacts/flowers/runs/run-1/",
        "evaluation_uri": "s3://artifacts/flowers/runs/run-1/evaluation/",
    }


@pytest.mark.parametrize("how", ["random", "latest"])
def test_the_base_data_is_split_as_for_the_first_version(how: str, tmp_path: Path) -> None:
    cloud, settings = cloud_with(), {"holdout": how, "holdout_fraction": 0.3, "seed": 5}
    (tmp_path / "flowers.jsonl").write_bytes(jsonl(base_records()))
    first, held_out = split_holdout(read_records(tmp_path), fraction=0.3, how=cast(Any, how), seed=5)

    assemble(cloud, config_with(settings))

    assert records_in(cloud, PREFIX + BASE) == first
    assert records_in(cloud, PREFIX + HOLDOUT) == held_out


@pytest.mark.parametrize("rows", [0, 2 * LEAST_HOLDOUT_ROWS - 2])
def test_without_enough_labels_the_base_holdout_is_used_and_all_captures_are_trained_on(rows: int) -> None:
    cloud = labelled_cloud(hours=1, rows=rows) if rows else cloud_with()

    answer = assemble(cloud)

    assert answer["rows"] == {"base": 160, "captured": rows, "training": 160 + rows, "holdout": 40}
    holdout = manifest_of(cloud)["holdout"]
    assert (holdout["of"], holdout["since"]) == ("base", None)
    assert "allowed: 20" in holdout["why"]


def test_the_base_holdout_is_never_trained_on() -> None:
    untouched, cloud = cloud_with(), cloud_with()
    assemble(untouched)
    held_out = [record["request"] for record in records_in(untouched, PREFIX + HOLDOUT)]
    label(cloud, predict(cloud, 40, requests=held_out, at=NOON - HOUR, seed=1), at=NOON - HOUR)
    label(cloud, predict(cloud, 40, seed=2))

    assemble(cloud)

    assert requests_in(untouched, HOLDOUT) & requests_in(cloud, BASE, CAPTURED) == set()
    assert manifest_of(cloud)["captured"]["left_out"] == {IN_BASE_HOLDOUT: 40}


def test_a_request_that_was_trained_on_is_not_held_out() -> None:
    cloud = cloud_with()
    same = requests_of(random.Random(1), 30)  # noqa: S311 - the same at each run
    trained = [record["request"] for record in base_records()[:3]]
    label(cloud, predict(cloud, 33, at=NOON - HOUR, seed=1, requests=[*same, *same[:3]]), at=NOON - HOUR)
    fresh = requests_of(random.Random(2), 27)  # noqa: S311 - the same at each run
    label(cloud, predict(cloud, 33, seed=2, requests=[*fresh, *same[:3], *trained]))

    assemble(cloud)

    assert requests_in(cloud, HOLDOUT) & requests_in(cloud, BASE, CAPTURED) == set()
    left_out = manifest_of(cloud)["captured"]["left_out"]
    assert left_out[IN_TRAINING] == 33 - len(records_in(cloud, PREFIX + HOLDOUT)) >= 3


def test_requests_that_repeat_by_nature_stay() -> None:
    few = [{**record, "request": base_records()[number % 3]["request"]} for number, record in enumerate(base_records())]
    cloud = cloud_with(few)
    for number in range(2):
        moment = NOON - number * HOUR
        requests = [few[place % 3]["request"] for place in range(30)]
        label(cloud, predict(cloud, 30, at=moment, seed=number, requests=requests), at=moment)

    answer = assemble(cloud)

    assert answer["rows"]["holdout"] == 30
    assert manifest_of(cloud)["captured"]["left_out"] == {}


def test_rows_of_one_prediction_stay_on_one_side() -> None:
    cloud = cloud_with()
    source = random.Random(5)  # noqa: S311 - the same at each run
    for number in range(9):
        moment = NOON + number * timedelta(seconds=1)
        prediction = predict_rows(cloud, requests_of(source, 7), at=moment, number=number)
        lines = [label_line(prediction, "daisy", row=row) for row in range(7)]
        put_labels(cloud, b"".join(lines), name=f"{number}")

    assemble(cloud)

    origins = records_in(cloud, PREFIX + ORIGINS)
    trained = len(records_in(cloud, PREFIX + CAPTURED))
    sides = [{origin["prediction"] for origin in part} for part in (origins[:trained], origins[trained:])]
    assert sides[0] & sides[1] == set()
    assert all(sides)


def test_what_the_champion_was_trained_on_is_not_held_out() -> None:
    cloud = labelled_cloud()
    assemble(cloud, config_with(holdout_fraction=0.25), {**EVENT, "run": "before"})
    model = "s3://artifacts/flowers/runs/before/job/output/model.tar.gz"
    event = {**EVENT, "champion": {"arn": "version/1", "model_uri": model, "label": "1"}}

    assemble(cloud, config_with(holdout_fraction=0.9), event)

    since = manifest_of(cloud)["holdout"]["since"]
    assert since == cloud.json_at("flowers/runs/before/manifest.json")["holdout"]["since"] == NOON.isoformat()


def test_the_same_files_give_the_same_bytes() -> None:
    one, other = labelled_cloud(), labelled_cloud()

    assemble(one)
    assemble(other)

    assert written(one) == written(other)
    assert len(written(one)) == 6


def test_a_run_that_has_its_data_keeps_it() -> None:
    cloud = labelled_cloud()
    first = assemble(cloud)
    before = written(cloud)
    label(cloud, predict(cloud, 25, at=NOON + HOUR, seed=9), at=NOON + HOUR)

    again = assemble(cloud)

    assert again == first
    assert written(cloud) == before


def test_a_run_that_died_is_assembled_again_as_if_it_had_not() -> None:
    whole = labelled_cloud()
    assemble(whole)
    puts = [call for call in whole.calls if call.startswith("put_object")]
    assert len(puts) == 6
    for place in range(len(puts)):
        cloud = labelled_cloud()

        def die(call: str, when: str, at: str = puts[place]) -> None:
            if (call, when) == (at, "after"):
                raise Died

        client = cloud.client(die)
        with pytest.raises(Died):
            Assembler(s3=client, settings=SETTINGS, config=config_with(), interface=load_interface("flowers")).assemble(
                EVENT
            )

        assemble(cloud)

        assert written(cloud) == written(whole)


def test_the_manifest_tells_what_the_data_was_made_of() -> None:
    cloud = labelled_cloud()
    put_labels(cloud, b"nonsense\n", name="broken")

    answer = assemble(cloud, event={**EVENT, "champion": {"arn": "none"}})

    manifest = manifest_of(cloud)
    assert manifest["schema_hash"] == load_interface("flowers").schema_hash
    assert (manifest["trigger"], manifest["champion"], manifest["now"]) == (
        {"kind": "drift"},
        {"arn": "none"},
        NOW.isoformat(),
    )
    assert manifest["data"] == answer
    assert manifest["captured"]["left_out"] == {"unreadable-label": 1}
    assert (manifest["captured"]["first"], manifest["captured"]["last"]) == (
        "2026-02-14T09:00:00+00:00",
        "2026-02-14T12:00:24+00:00",
    )
    for name, file in manifest["files"].items():
        content = cloud.objects[PREFIX + name]
        assert file == {
            "rows": len(gzip.decompress(content).splitlines()),
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    [base] = manifest["sources"]["base"]["objects"]
    assert base["key"] == BASE_KEY
    assert (manifest["sources"]["labels"]["files"], manifest["sources"]["captures"]["files"]) == (5, 4)


def test_the_manifest_quotes_no_request() -> None:
    cloud = labelled_cloud()

    assemble(cloud)

    text = cloud.objects[MANIFEST].decode()
    assert not any(name in text for name in ("petal", "colour", "daisy", "crocus"))


def test_origins_are_of_the_captured_rows_in_their_order() -> None:
    cloud = labelled_cloud()

    assemble(cloud)

    origins = records_in(cloud, PREFIX + ORIGINS)
    captured = [*records_in(cloud, PREFIX + CAPTURED), *records_in(cloud, PREFIX + HOLDOUT)]
    assert len(origins) == len(captured) == 100
    agreeing = sum(
        origin["response"]["species"] == truth_of(record["request"])
        for origin, record in zip(origins, captured, strict=True)
    )
    assert agreeing > 80


def test_training_reads_what_was_assembled(tmp_path: Path) -> None:
    cloud = labelled_cloud()

    answer = assemble(cloud)

    for key in cloud.keys_below(PREFIX):
        path = tmp_path / key.removeprefix(PREFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cloud.objects[key])
    assert len(read_records(tmp_path / "training")) == answer["rows"]["training"]
    assert len(read_records(tmp_path / "holdout")) == answer["rows"]["holdout"]


def test_base_data_may_lie_below_a_prefix() -> None:
    cloud = Cloud()
    records = base_records()
    cloud.put("data/flowers/b.jsonl", jsonl(records[100:]))
    cloud.put("data/flowers/a.jsonl.gz", gzip.compress(jsonl(records[:100])))
    cloud.put("data/flowers/notes.txt", b"no record")
    cloud.put("data/flowers-old/c.jsonl", jsonl(records[:1]))

    found = read_base_data("s3://lake/data/flowers", s3=cloud.client(), training=Training(holdout="latest"))

    assert [record.line for record in (*found.training, *found.holdout)] == jsonl(records).splitlines(keepends=True)
    assert [source.key for source in found.sources] == ["data/flowers/a.jsonl.gz", "data/flowers/b.jsonl"]


def test_files_are_read_in_the_order_in_which_training_reads_a_folder(tmp_path: Path) -> None:
    names = ["b.jsonl", "a/z.jsonl", "a-b/c.jsonl", "a.jsonl", "B.jsonl"]
    files = {
        name: jsonl([{"request": {}, "label": {}, "time": f"2026-01-0{day}"}]) for day, name in enumerate(names, 1)
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    cloud = Cloud()
    cloud.put("data.zip", zipped(files))

    found = read_base_data("s3://assets/data.zip", s3=cloud.client(), training=Training(seed=3))

    first, _ = split_holdout(read_records(tmp_path), fraction=0.2, how="random", seed=3)
    assert [json.loads(record.line) for record in found.training] == first


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("uri", ["s3://assets/data.zip", "s3://assets/data"])
def test_base_data_that_memory_cannot_hold_is_refused(name: str, uri: str) -> None:
    cloud = Cloud()
    content = jsonl(base_records(500))
    content = gzip.compress(content) if name.endswith("gz") else content
    cloud.put(f"data/{name}", content)
    cloud.put("data.zip", zipped({name: content}))

    with pytest.raises(OperatorError, match=r"data(\.zip)? holds more than 0 MB of records.*training\.data"):
        read_base_data(uri, s3=cloud.client(), training=Training(), maximum_bytes=40_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"request": {}}\n', r"a.jsonl:1: found no record"),
        (b'{"request": {}, "label": {}}\n[secret\n', r"a.jsonl:2: found no record"),
        (b"\n", r"holds no record"),
    ],
)
def test_base_data_that_cannot_be_read_is_told_without_quoting_it(content: bytes, message: str) -> None:
    cloud = Cloud()
    cloud.put("data.zip", zipped({"a.jsonl": content}))

    with pytest.raises(OperatorError, match=message) as raised:
        read_base_data("s3://assets/data.zip", s3=cloud.client(), training=Training())

    assert "secret" not in str(raised.value)


def test_a_gzip_file_that_is_cut_off_is_told() -> None:
    cloud = Cloud()
    cloud.put("data/a.jsonl.gz", gzip.compress(jsonl(base_records()))[:-100])

    with pytest.raises(OperatorError, match="cut off"):
        read_base_data("s3://assets/data", s3=cloud.client(), training=Training())


def base_of(training: Sequence[int], holdout: Sequence[int]) -> BaseData:
    sides = [[BaseRecord(line=b"{}\n", digest=digest, time=None) for digest in side] for side in (training, holdout)]
    return BaseData(training=sides[0], holdout=sides[1], sources=())


def rows_of(predictions: Sequence[tuple[int, Sequence[int]]]) -> list[LabelledRow]:
    """Predictions as (seconds, digests of their rows), in the order of their time."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return sorted(
        (
            LabelledRow(begin + timedelta(seconds=second), f"{number:05}", row, digest, b"{}\n", b"{}\n")
            for number, (second, digests) in enumerate(predictions)
            for row, digest in enumerate(digests)
        ),
        key=lambda row: row.order,
    )


Digests = st.integers(0, 400)
Predictions = st.lists(st.tuples(st.integers(0, 60), st.lists(Digests, min_size=1, max_size=4)), max_size=120)


@given(
    predictions=Predictions,
    training=st.sets(Digests, min_size=1, max_size=40),
    holdout=st.sets(Digests, min_size=1, max_size=40),
    fraction=st.floats(0.05, 0.95),
    after=st.none() | st.integers(0, 60),
)
def test_nothing_of_a_holdout_is_ever_in_training(
    predictions: list[tuple[int, list[int]]],
    training: set[int],
    holdout: set[int],
    fraction: float,
    after: int | None,
) -> None:
    base = base_of(sorted(training), sorted(holdout - training))
    rows = rows_of(predictions)
    moment = None if after is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=after)

    parts = divide(base, rows, fraction=fraction, after=moment)

    trained = {*training, *(row.digest for row in parts.training)}
    held_out = {row.digest for row in parts.holdout} if parts.split else {record.digest for record in base.holdout}
    assert trained & held_out == set()
    assert {record.digest for record in base.holdout} & trained == set()
    assert {row.prediction for row in parts.training} & {row.prediction for row in parts.holdout} == set()
    assert len(rows) == len(parts.training) + len(parts.holdout) + sum(parts.left_out.values())
    if parts.split is not None:
        assert len(parts.holdout) >= LEAST_HOLDOUT_ROWS
        assert all(row.time < parts.split for row in parts.training)
        assert all(row.time >= max(parts.split, moment or parts.split) for row in parts.holdout)
    else:
        assert not parts.holdout
        assert parts.why


def test_of_a_change_the_holdout_is_the_latest_of_what_came_after_it() -> None:
    base, rows = base_of([], []), rows_of([(second, [second]) for second in range(200)])
    since = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=100)

    parts = divide(base, rows, fraction=0.4, since=since)

    assert (len(parts.training), len(parts.holdout)) == (160, 40)
    assert parts.split == since + timedelta(seconds=60)


def test_captured_records_count_as_often_as_the_package_says() -> None:
    cloud, once = labelled_cloud(), labelled_cloud()

    assemble(once)
    answer = assemble(cloud, config_with(captured_weight=3))

    captured = records_in(cloud, PREFIX + CAPTURED)
    assert records_in(cloud, PREFIX + AGAIN) == 2 * captured
    assert records_in(once, PREFIX + AGAIN) == []
    assert answer["rows"]["training"] == 210


def test_compressing_gives_the_same_bytes_again_and_all_lines() -> None:
    lines = [b"one\n", b"two\n"] * 1000

    content = compressed(lines)

    assert compressed(iter(lines)) == content
    assert gzip.decompress(content) == b"".join(lines)
    assert gzip.decompress(compressed([])) == b""


def test_records_without_a_time_cannot_be_split_by_it() -> None:
    cloud = cloud_with([{name: each[name] for name in ("request", "label")} for each in base_records()])

    with pytest.raises(OperatorError, match="ISO 8601"):
        assemble(cloud, config_with({"holdout": "latest"}))


def test_a_record_of_the_base_data_stays_as_it_is() -> None:
    odd = [cast(Record, {**record, "weight": None, "extra": [1, 2]}) for record in base_records(50)]
    cloud = cloud_with(odd)

    assemble(cloud)

    lines = gzip.decompress(cloud.objects[PREFIX + BASE]).splitlines()
    assert set(lines) <= set(jsonl(odd).splitlines())
