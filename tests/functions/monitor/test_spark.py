"""A window that Spark folds comes to what this process would fold it to, whatever the split."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from cdk.spark import write_code
from functions.monitor.folding import Block, Files, Folded, Order, fold_here
from functions.monitor.listing import CapturedFile
from functions.monitor.processing import Processing
from functions.monitor.seen import record_digests
from functions.monitor.settings import MonitorSettings
from functions.monitor.spark import met_before, split
from functions.shared import layout
from model_packages.contract import MonitoredField
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.flowers import ENDPOINT, NOON, captured, key_of, lines_of, record_of
from tests.functions.monitor.runs import SETTINGS, config_with
from tests.functions.monitor.spark_local import fold_orders

HOUR = timedelta(hours=1)


BLOCKS: tuple[Block, ...] = ("row", "time", "caller")


@dataclass(frozen=True)
class Folds:
    """One window, folded by Spark and by this process."""

    by_spark: Mapping[str, Folded]
    by_function: Mapping[str, Folded]
    written_by_spark: Mapping[str, bytes]
    written_by_function: Mapping[str, bytes]


@pytest.fixture(scope="module")
def folds(baseline: Baseline, tmp_path_factory: pytest.TempPathFactory) -> Folds:
    contents, late = window(), {key_of(NOON - 30 * HOUR, "late.jsonl"): lines_of(captured(7))}
    orders: dict[str, Order] = {block: order_of(contents, late=late, block=block) for block in BLOCKS}
    folder, written = tmp_path_factory.mktemp("spark"), dict(contents | late)
    files = Files(get=written.__getitem__, put=written.__setitem__, endpoint=ENDPOINT)
    by_spark = fold_orders(
        {**orders, "again": orders["row"], "nothing": order_of({}, late={}, block="row")},
        contents=contents | late,
        baseline=baseline,
        endpoint=ENDPOINT,
        folder=folder,
    )
    return Folds(
        by_spark=by_spark,
        by_function={
            name: fold_here(order, baseline=baseline, files=files, chunk_rows=100) for name, order in orders.items()
        },
        written_by_spark=written_below(folder / "files"),
        written_by_function=written,
    )


def window() -> dict[str, bytes]:
    """Files of two hours: plain and gzip, with lines that cannot be read, and with records that came before."""
    records = [
        captured(150, seed=number, time=NOON + (number // 3) * HOUR, first_number=number * 1000) for number in range(6)
    ]
    for number, some in enumerate(records):
        for index, record in enumerate(some):
            record["eventMetadata"]["customAttributes"] = [f"caller={(number * 7 + index) % 9:x}"]
    same_event = record_of({"petals": 7}, {}, number=5_000)
    same_event["eventMetadata"]["eventId"] = records[0][0]["eventMetadata"]["eventId"]
    same_inference = record_of({"petals": 8}, {}, number=5_000)  # of one that is a duplicate itself
    large = record_of({"note": "x" * 10_000}, {}, number=6_000)
    return {
        key_of(NOON, "0.jsonl"): lines_of(records[0]),
        key_of(NOON, "1.jsonl"): gzip.compress(lines_of([*records[1], same_event])),
        key_of(NOON, "2.jsonl"): lines_of([*records[2], *records[0][40:60]]) + b"{}\nnot json\n\xff\n",
        key_of(NOON + HOUR, "3.jsonl"): lines_of([*records[3], same_inference, *records[3][:5], large]),
        key_of(NOON + HOUR, "4.jsonl"): gzip.compress(lines_of(records[4]))[:-200],
        key_of(NOON + HOUR, "5.jsonl"): lines_of([*records[5], *records[1][:30]]),
    }


def order_of(contents: dict[str, bytes], *, late: dict[str, bytes], block: Block) -> Order:
    def files(some: dict[str, bytes]) -> tuple[CapturedFile, ...]:
        prefix = len(layout.captures_prefix(ENDPOINT, layout.VARIANT))
        return tuple(
            CapturedFile(key=key, hour=key[prefix : prefix + 13], size_bytes=len(content))
            for key, content in some.items()
        )

    known = np.sort(record_digests([f"event-{NOON:%Y%m%dT%H%M%S}-0", "who-knows"]))
    return Order(files=files(contents), late=files(late), known=known, block=block, block_minutes=5)


def assert_same(one: Folded, other: Folded) -> None:
    """Byte for byte, but for the sums of floats, whose last digits tell in what order they were added."""
    alike = replace(one, tally=replace(one.tally, sums=other.tally.sums))
    np.testing.assert_allclose(one.tally.sums, other.tally.sums, rtol=1e-12)
    assert alike.to_bytes() == other.to_bytes()


def written_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_spark_folds_a_window_to_what_this_process_would(folds: Folds, block: Block) -> None:
    by_function = folds.by_function[block]

    assert_same(folds.by_spark[block], by_function)

    assert by_function.reading.duplicates > 50
    assert by_function.reading.late == 7
    assert set(by_function.reading.unreadable) == {"not-a-record", "not-json", "broken-gzip"}


@pytest.mark.slow
def test_spark_keeps_what_cannot_be_read_where_this_process_would(folds: Folds) -> None:
    assert folds.written_by_spark == folds.written_by_function


@pytest.mark.slow
def test_the_same_window_gives_the_same_bytes_each_time(folds: Folds) -> None:
    assert folds.by_spark["again"].to_bytes() == folds.by_spark["row"].to_bytes()


@pytest.mark.slow
def test_a_window_of_no_files_is_nothing(folds: Folds) -> None:
    found = folds.by_spark["nothing"]

    assert (found.tally.rows, found.reading.files, found.digests) == (0, 0, {})


def test_how_many_rows_are_read_at_once_changes_neither_duplicates_nor_examples(baseline: Baseline) -> None:
    contents = window()
    order = order_of(contents, late={}, block="row")
    written: dict[str, bytes] = {}

    def folded(chunk_rows: int) -> Folded:
        files = Files(get=contents.__getitem__, put=written.__setitem__, endpoint=ENDPOINT)
        return fold_here(order, baseline=baseline, files=files, chunk_rows=chunk_rows)

    assert_same(folded(50), folded(100_000))


def test_files_are_split_in_their_order_into_about_as_many_bytes() -> None:
    files = tuple(CapturedFile(key=f"{number}", hour="h", size_bytes=size) for number, size in enumerate([9, 1, 5, 5]))
    order = Order(files=files, late=files[:1], known=record_digests([]), block="row", block_minutes=5)

    tasks = split(order, at_least=2)

    assert [[file.key for file in task.files] for task in tasks] == [["0", "1"], ["2", "3"]]
    assert sorted(file.key for task in tasks for file in task.late) == ["0"]


def test_large_files_are_split_further_than_there_are_cores() -> None:
    files = tuple(CapturedFile(key=f"{number}", hour="h", size_bytes=100 << 20) for number in range(10))
    order = Order(files=files, late=(), known=record_digests([]), block="row", block_minutes=5)

    assert [len(task.files) for task in split(order, at_least=2)] == [1] * 10


def test_whoever_comes_later_is_told_what_was_met_before() -> None:
    a, b, c, d = np.array([1, 2, 2, 3]), np.array([3, 4]), np.array([4, 3, 5]), np.array([6, 6])

    found = met_before({2: c.astype("<u8"), 0: a.astype("<u8"), 1: b.astype("<u8"), 3: d.astype("<u8")})

    assert {number: digests.tolist() for number, digests in found.items()} == {1: [3], 2: [3, 4]}


def test_the_baseline_that_a_job_reads_states_what_the_package_states(baseline: Baseline) -> None:
    monitor = config_with(fields={"petals": MonitoredField(minimum=10)}).monitor

    stated = baseline.overridden(monitor)
    read = Baseline.from_json(stated.to_json())

    assert read.identity == baseline.identity
    assert [field.constraints for field in read.fields] == [field.constraints for field in stated.fields]


def request_with(settings: MonitorSettings) -> dict[str, Any]:
    nobody: Any = None
    processing = Processing(jobs=nobody, bucket=nobody, settings=settings, monitor=config_with().monitor)
    return processing.request("flyball-flowers-000001", "s3://captures/monitor/flyball-flowers/jobs/one/")


def test_a_jobs_request_is_one_that_sagemaker_takes() -> None:
    request = request_with(SETTINGS)
    shape = Session().get_service_model("sagemaker").operation_model("CreateProcessingJob").input_shape

    assert not ParamValidator().validate(request, shape).has_errors()
    assert request["AppSpecification"]["ContainerArguments"] == [
        "--py-files",
        "/opt/ml/processing/input/py-files",
        "/opt/ml/processing/input/app/app.py",
        "--job",
        "s3://captures/monitor/flyball-flowers/jobs/one/",
    ]


def test_disks_that_encrypt_themselves_are_given_no_key() -> None:
    request = request_with(replace(SETTINGS, key_arn=""))

    assert "VolumeKmsKeyId" not in request["ProcessingResources"]["ClusterConfig"]


BLOCKED = """
import sys
LACKING = {"orjson", "pydantic", "pydantic_core", "pyarrow", "aws_lambda_powertools"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
import functions.monitor.spark, functions.monitor.strict_json as json
assert functions.monitor.spark.__file__.startswith(sys.argv[1])
assert json.loads is json.loads_without_orjson
"""


def test_the_jobs_code_runs_from_its_zip_without_what_aws_image_lacks(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        for path in folder.rglob("*.py"):
            archive.write(path, path.relative_to(folder))

    command = [sys.executable, "-I", "-c", BLOCKED, str(tmp_path / "code.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
