"""A cloud with the data of the package `flowers`: what it came with, what was captured of it, and what was labelled."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.retraining.settings import RetrainingSettings
from functions.shared import layout
from functions.shared.uuid7 import compose
from model_packages.contract import Gate, PackageConfig, Retraining, Training
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.cloud import BUCKET, PARAMETER, Cloud
from tests.functions.monitor.flowers import ENDPOINT, NOON, lines_of, record_of, requests_of, side

HOUR = timedelta(hours=1)
NOW = NOON + 48 * HOUR
OTHER = {"daisy": "crocus", "crocus": "daisy"}
BASE_KEY = "assets/flowers.zip"
SETTINGS = RetrainingSettings(
    package="flowers",
    endpoint_name=ENDPOINT,
    champion_parameter=PARAMETER,
    model_package_group="flyball-flowers",
    artifacts_bucket="artifacts",
    captures_bucket=BUCKET,
    initial_model_uri="s3://artifacts/initial/model.tar.gz",
    base_data_uri=f"s3://assets/{BASE_KEY}",
    image_uri="image",
    execution_role_arn="role",
    topic_arn="topic",
    drift_alarm="drift",
    quality_alarm="quality",
    rollback_alarms=(),
    state_machine_arn="machine",
    key_arn="key",
)
EVENT: Mapping[str, Any] = {
    "run": "run-1",
    "execution": "arn:aws:states:us-east-1:123456789012:execution:flyball-flowers-retraining:run-1",
    "now": NOW.isoformat(),
    "trigger": {"kind": "drift"},
}
PREFIX = layout.dataset_prefix(ENDPOINT, "run-1")


def config_with(training: Mapping[str, Any] | None = None, **retraining: Any) -> PackageConfig:
    return PackageConfig(
        description="Flowers.",
        task="multiclass_classification",
        gate=Gate(metric="accuracy", minimum=0.5),
        training=Training(**(training or {})),
        retraining=Retraining(**retraining),
    )


def truth_of(request: Mapping[str, Any]) -> str:
    return "daisy" if request["petals"] == "many" or request["petals"] > 30 else "crocus"


def base_records(count: int = 200, *, seed: int = 7, start: datetime = NOON - 1000 * HOUR) -> list[dict[str, Any]]:
    """Labelled records as a package's data folder has them."""
    requests = requests_of(random.Random(seed), count)  # noqa: S311 - the same at each run
    return [
        {
            "request": request,
            "label": {"species": truth_of(request)},
            "time": (start + number * timedelta(minutes=1)).isoformat(),
        }
        for number, request in enumerate(requests)
    ]


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The same bytes of the same files, whenever it is called: a `ZipInfo` of a name has a date of its own."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return content.getvalue()


def jsonl(records: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def cloud_with(records: Sequence[Mapping[str, Any]] | None = None) -> Cloud:
    """With base data where the deployment puts it."""
    cloud = Cloud()
    found = base_records() if records is None else records
    cloud.put(BASE_KEY, zipped({"flowers.jsonl.gz": gzip.compress(jsonl(found), mtime=0), "extract.py": b"pass"}))
    return cloud


def put_baseline(cloud: Cloud, baseline: Baseline, quality: str = "") -> str:
    """The initial version's, as the deployment puts it. Returns its address."""
    files = {"baseline.json": baseline.to_json().encode(), **({"quality.json": quality.encode()} if quality else {})}
    cloud.put("assets/baseline.zip", zipped(files))
    return "s3://assets/assets/baseline.zip"


def predict(
    cloud: Cloud,
    count: int,
    *,
    at: datetime = NOON,
    seed: int = 0,
    wrong: float = 0.05,
    caller: str = "",
    every: timedelta = timedelta(seconds=1),
    requests: Sequence[Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Captures `count` predictions of one hour; the champion errs in a share of `wrong`."""
    source = random.Random(seed)  # noqa: S311 - the same at each run
    records = []
    for number, request in enumerate(requests or requests_of(source, count)):
        truth = truth_of(request)
        answer = {"species": OTHER[truth] if source.random() < wrong else truth, "confidence": 0.9}
        attributes = {"customAttributes": [f"caller={caller}"]} if caller else {}
        records.append(
            record_of(request, answer, time=at + number * every, number=seed * 100_000 + number, **attributes)
        )
    key = f"{layout.captures_prefix(ENDPOINT, layout.VARIANT)}{layout.hour_path(at)}/{seed}-{caller}.jsonl"
    cloud.put(key, lines_of(records))
    return records


def predict_rows(cloud: Cloud, requests: Sequence[Mapping[str, Any]], *, at: datetime, number: int) -> str:
    """One call with many rows. Returns its inference id."""
    record = record_of({}, {}, time=at, number=number)
    answers = [{"species": truth_of(request), "confidence": 0.9} for request in requests]
    record["captureData"]["endpointInput"] = side("INPUT", {"instances": list(requests)})
    record["captureData"]["endpointOutput"] = side("OUTPUT", {"predictions": answers})
    key = f"{layout.captures_prefix(ENDPOINT, layout.VARIANT)}{layout.hour_path(at)}/rows-{number}.jsonl"
    cloud.put(key, lines_of([record]))
    return str(record["eventMetadata"]["inferenceId"])


def label_line(
    inference_id: str, species: str, *, row: int | None = None, received: datetime = NOON + 24 * HOUR
) -> bytes:
    label = {"inference_id": inference_id, "row": row, "label": {"species": species}}
    return json.dumps({**label, "received": received.isoformat(timespec="milliseconds")}).encode() + b"\n"


def put_labels(cloud: Cloud, content: bytes, *, at: datetime = NOON, name: str = "one") -> None:
    cloud.put(f"{layout.labels_prefix(ENDPOINT)}{layout.hour_path(at)}/{name}.jsonl", content)


def label(
    cloud: Cloud,
    records: Sequence[Mapping[str, Any]],
    *,
    at: datetime = NOON,
    flipped: bool = False,
    species: str = "",
    received: datetime = NOON + 24 * HOUR,
    name: str = "one",
) -> None:
    """Sends the truth about predictions of one hour, or its opposite, or always the same."""
    lines = []
    for record in records:
        truth = species or truth_of(json.loads(record["captureData"]["endpointInput"]["data"]))
        identifier = str(record["eventMetadata"]["inferenceId"])
        lines.append(label_line(identifier, OTHER[truth] if flipped else truth, received=received))
    put_labels(cloud, b"".join(lines), at=at, name=name)


def id_at(moment: datetime, number: int) -> str:
    return str(compose(unix_ms=int(moment.timestamp() * 1000), random_bits=number))


def records_in(cloud: Cloud, key: str) -> list[dict[str, Any]]:
    """What a written file holds."""
    return [json.loads(line) for line in gzip.decompress(cloud.objects[key]).splitlines()]
