"""`flyball replay` against a whole cloud, in a process of its own: a day of payments, what is captured of it, what time
it is there afterwards, and that the cloud that starts next knows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from local.client import aws_client
from tests.local.checkout import Checkout, give_version, make_checkout

pytestmark = pytest.mark.slow

ROWS, DAYS = 120, 1.0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A cloud with payments, up for all tests of this module."""
    root = tmp_path_factory.mktemp("replay") / "flyball"
    root.mkdir()
    checkout = make_checkout(root, packages=["payments"])
    give_version(checkout, "payments")
    serving = checkout.up()
    yield checkout
    serving.stop()


@pytest.fixture(scope="module")
def outcome(checkout: Checkout) -> dict[str, Any]:
    """What a day of traffic came to."""
    options = ["--rows", str(ROWS), "--days", str(DAYS), "--label-days", "0.25", "--seed", "5"]
    done = checkout.flyball("replay", "payments", *options, "--json", timeout_seconds=600)
    assert done.returncode == 0, done.stderr
    assert f"{ROWS} requests to payments" in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def client(checkout: Checkout, service: str) -> Any:
    return aws_client(service, endpoint_url=f"http://127.0.0.1:{checkout.cloud_port}")


def captures(checkout: Checkout) -> list[tuple[str, dict[str, Any]]]:
    """Each captured record with the key of its file."""
    s3 = client(checkout, "s3")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if "captures" in each["Name"])
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="captures/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    read = partial(_lines, s3, bucket)
    return [(key, json.loads(line)) for key in keys for line in read(key)]


def _lines(s3: Any, bucket: str, key: str) -> list[bytes]:
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content.splitlines()


def status(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(checkout.flyball("status", "--json").stdout)
    return found


def test_every_request_is_answered_and_labels_follow(outcome: dict[str, Any]) -> None:
    assert (outcome["requests"], outcome["errors"]) == (ROWS, {})
    assert outcome["labels"]["refused"] == 0
    assert outcome["labels"]["sent"] + outcome["labels"]["not_known_yet"] == ROWS
    assert outcome["labels"]["sent"] > ROWS / 2


def test_traffic_like_the_training_data_raises_no_alarm(outcome: dict[str, Any]) -> None:
    assert outcome["raised"] == []


def test_each_request_is_captured_once_in_the_hour_in_which_the_cloud_answered_it(
    checkout: Checkout, outcome: dict[str, Any]
) -> None:
    records = captures(checkout)

    known = [(key, record) for key, record in records if "inferenceId" in record["eventMetadata"]]
    assert (
        outcome["requests"] == len({record["eventMetadata"]["inferenceId"] for _key, record in known}) == len(records)
    )
    for key, record in known:
        moment = datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])
        assert f"/main/{moment:%Y/%m/%d/%H}/" in key
    hours = {key.rsplit("/", 1)[0] for key, _record in records}
    assert len(hours) > 12


def test_an_inference_id_tells_the_clouds_time(checkout: Checkout, outcome: dict[str, Any]) -> None:
    _key, record = captures(checkout)[0]

    milliseconds = int(record["eventMetadata"]["inferenceId"].replace("-", "")[:12], 16)

    made = datetime.fromtimestamp(milliseconds / 1000, UTC)
    assert abs(made - datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])) < timedelta(seconds=10)


def test_the_clouds_time_is_shown_and_its_logs_are_found(checkout: Checkout, outcome: dict[str, Any]) -> None:
    shown = checkout.flyball("status").stdout
    logs = checkout.flyball("logs", "payments", "--since-minutes", "1440", "--json").stdout

    assert "days ahead of this machine's" in shown
    assert status(checkout)["time"]["ahead_seconds"] > DAYS * 86_400
    assert len(logs.splitlines()) > ROWS


def test_what_cannot_be_replayed_is_one_sentence(checkout: Checkout, outcome: dict[str, Any]) -> None:
    wrong = [
        (["nonesuch"], "no model package is called 'nonesuch'"),
        (["payments", "--shift", "nothing"], "no field is called 'nothing'; allowed: amount"),
        (["payments", "--shift", "amount", "--at", "soon"], "found the time 'soon'"),
        (["payments", "--shift", "amount", "--missing"], "amount may not be missing"),
    ]

    for arguments, sentence in wrong:
        done = checkout.flyball("replay", *arguments)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_a_cloud_that_starts_again_is_not_before_that(checkout: Checkout, outcome: dict[str, Any]) -> None:
    before = datetime.fromisoformat(status(checkout)["time"]["now"])
    stopped = checkout.flyball("down")
    refused = checkout.flyball("replay", "payments")

    serving = checkout.up()
    after = datetime.fromisoformat(status(checkout)["time"]["now"])
    serving.stop()

    assert stopped.returncode == 0
    assert (refused.returncode, "no local cloud serves from this folder" in refused.stderr) == (2, True)
    assert after >= before
