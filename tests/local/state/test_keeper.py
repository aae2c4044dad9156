"""When moto's state is written: before the answer, together, in full or not at all, and never too much."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.logs.models import logs_backends
from moto.ssm.models import ssm_backends

from local.api_calls import ApiCall
from local.state.blobs import write_durably
from local.state.effects import Effect, effect_of
from local.state.errors import StateNotWritten
from local.state.keeper import Keeper
from local.state.pickling import NotPicklable
from local.state.store import StateStore
from tests.local.state.contents import LARGE
from tests.local.state.moto_account import Account, account, forget_everything

ACCOUNT, REGION = "123456789012", "us-east-1"


class Disk:
    """A disk that is full while `is_full`."""

    def __init__(self) -> None:
        self.is_full = False

    def write(self, path: Path, content: bytes) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        write_durably(path, content)


class Commits:
    """What was written, transaction by transaction."""

    def __init__(self, opened: Account) -> None:
        self.names: list[set[str]] = []
        write = opened.store.write

        def noted(rows: Any, *, removed: Any = ()) -> None:
            rows = list(rows)
            self.names.append({row.name for row in rows} | set(removed))
            write(rows, removed=removed)

        opened.store.write = noted  # type: ignore[method-assign]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path / "state") as found:
        yield found


def names(account: Account) -> list[str]:
    pages = account.client("ssm").get_paginator("describe_parameters").paginate()
    return sorted(parameter["Name"] for page in pages for parameter in page["Parameters"])


def put(account: Account, name: str) -> None:
    account.client("ssm").put_parameter(Name=name, Value="value", Type="String")


def test_reading_writes_nothing(opened: Account) -> None:
    put(opened, "/a")
    commits = Commits(opened)

    names(opened)
    opened.client("s3").list_buckets()

    assert commits.names == []


def test_a_call_writes_what_it_changed_and_no_more(opened: Account) -> None:
    opened.client("s3").create_bucket(Bucket="bucket")
    for number in range(5):
        opened.client("s3").put_object(Bucket="bucket", Key=str(number), Body=b"x")
    commits = Commits(opened)

    opened.client("s3").put_object(Bucket="bucket", Key="3", Body=b"y")
    put(opened, "/a")

    first, second = commits.names
    assert first - {"s3/123456789012/aws"} == {"s3/123456789012/aws#bucket/3"}
    assert second == {"ssm/123456789012/us-east-1"}


def test_what_one_service_does_to_another_is_written_with_the_call(tmp_path: Path) -> None:
    before = Account(tmp_path)
    topics, queues = before.client("sns"), before.client("sqs")
    queue = queues.create_queue(QueueName="queue")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = topics.create_topic(Name="topic")["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    topics.publish(TopicArn=topic, Message="hello")
    before.killed()

    with account(tmp_path) as after:
        received = after.client("sqs").receive_message(QueueUrl=queue)["Messages"]
        assert "hello" in received[0]["Body"]


def test_deleted_objects_leave_no_row(opened: Account) -> None:
    client = opened.client("s3")
    client.create_bucket(Bucket="bucket")
    for key in ("a", "b", "c"):
        client.put_object(Bucket="bucket", Key=key, Body=LARGE)

    client.delete_object(Bucket="bucket", Key="a")
    client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "b"}, {"Key": "c"}]})
    client.delete_bucket(Bucket="bucket")

    assert [row.name for row in opened.store.rows()] == ["s3/123456789012/aws"]


def test_log_lines_are_written_a_few_hundred_at_a_time(opened: Account) -> None:
    backend = logs_backends[ACCOUNT][REGION]
    backend.ensure_log_group("/group")
    backend.ensure_log_stream("/group", "stream")
    stream = backend.groups["/group"].streams["stream"]

    def log(count: int) -> None:
        logs_backends[ACCOUNT][REGION]
        stream.put_log_events([{"timestamp": 1, "message": "line"}] * count)
        opened.keeper.commit_pending()

    log(1000)
    commits = Commits(opened)
    log(1)

    (written,) = commits.names
    assert sorted(name.rpartition("@")[2] for name in written if "#" in name) == ["00000003"]


def test_a_full_disk_is_an_error_of_the_call_and_the_change_is_kept_when_there_is_room(tmp_path: Path) -> None:
    before = Account(tmp_path / "state")
    put(before, "/a")
    before.store.limit_pages(1)

    with pytest.raises(StateNotWritten, match="make room on the disk"):
        before.client("ssm").put_parameter(Name="/b", Value="v" * 4000, Type="String")
    cut = copied(tmp_path / "state", tmp_path / "cut")
    seen = names(before)
    before.store.limit_pages(1_000_000)
    before.keeper.commit_pending()
    before.killed()

    assert seen == ["/a", "/b"]
    with account(cut) as then:
        assert names(then) == ["/a"]
    with account(tmp_path / "state") as after:
        assert names(after) == ["/a", "/b"]


def test_a_disk_that_refuses_an_objects_content_leaves_the_last_one(tmp_path: Path) -> None:
    disk = Disk()
    before = Account(tmp_path, write_blob=disk.write)
    client = before.client("s3")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="key", Body=LARGE)
    disk.is_full = True

    with pytest.raises(StateNotWritten, match="No space left"):
        client.put_object(Bucket="bucket", Key="key", Body=LARGE[::-1])
    before.killed()

    with account(tmp_path) as after:
        assert after.client("s3").get_object(Bucket="bucket", Key="key")["Body"].read() == LARGE


def test_calls_that_end_together_are_written_together(tmp_path: Path) -> None:
    before = Account(tmp_path)
    put(before, "/first")
    commits = Commits(before)
    clients = [before.client("ssm") for _ in range(24)]

    with ThreadPoolExecutor(24) as threads:
        with before.keeper._writing:  # somebody writes
            calls = [
                threads.submit(client.put_parameter, Name=f"/{index}", Value="v", Type="String")
                for index, client in enumerate(clients)
            ]
            poll(lambda: len(ssm_backends[ACCOUNT][REGION]._parameters) == 25)
        for call in calls:
            call.result(20)
    before.killed()

    assert len(commits.names) < 12
    with account(tmp_path) as after:
        assert len(names(after)) == 25


def poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_call_that_waits_for_a_function_lets_others_through(tmp_path: Path) -> None:
    """A function that a topic starts makes a call itself; both are answered."""
    forget_everything()
    store = StateStore(tmp_path)
    keeper = Keeper(store, lazy_seconds=3600.0)
    reached = threading.Event()

    with keeper.call(ApiCall("sns", "Publish")):

        def inner() -> None:
            with keeper.call(ApiCall("ssm", "PutParameter")):
                reached.set()

        with keeper.waiting():
            thread = threading.Thread(target=inner)
            thread.start()
            assert reached.wait(10)
            thread.join(10)

    keeper.abandon()
    store.close()


def test_what_cannot_be_pickled_is_an_error_that_names_it(opened: Account) -> None:
    put(opened, "/a")
    ssm_backends[ACCOUNT][REGION].odd = (number for number in [1])  # type: ignore[attr-defined]

    with pytest.raises(NotPicklable, match=r"ssm/123456789012/us-east-1.*generator"):
        put(opened, "/b")
    del ssm_backends[ACCOUNT][REGION].odd  # type: ignore[attr-defined]


def test_a_state_that_was_never_restored_is_not_written_over(tmp_path: Path) -> None:
    before = Account(tmp_path)
    put(before, "/a")
    before.killed()
    store = StateStore(tmp_path)

    Keeper(store).close()

    assert [row.name for row in store.rows()] == ["ssm/123456789012/us-east-1"]
    store.close()


def test_two_accounts_in_two_folders_know_nothing_of_one_another(tmp_path: Path) -> None:
    with account(tmp_path / "one") as one:
        put(one, "/one")
    with account(tmp_path / "two") as two:
        put(two, "/two")

    with account(tmp_path / "one") as again:
        assert names(again) == ["/one"]


Step = Callable[[Account], None]
KEYS = st.sampled_from(["a", "b", "c"])


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["put", "large", "delete", "parameter"]), KEYS), min_size=1, max_size=8))
def test_a_cut_after_any_call_shows_every_call_until_then(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    running = Account(folder / "state")
    running.client("s3").create_bucket(Bucket="bucket")
    expected = []
    for index, (step, key) in enumerate(steps):
        carry_out(running, step, key, index)
        copied(folder / "state", folder / str(index))
        expected.append(seen(running))
    running.killed()

    for index, answer in enumerate(expected):
        with account(folder / str(index)) as then:
            assert seen(then) == answer


def carry_out(account: Account, step: str, key: str, number: int) -> None:
    if step == "parameter":
        account.client("ssm").put_parameter(Name=f"/{key}", Value=str(number), Type="String", Overwrite=True)
    elif step == "delete":
        account.client("s3").delete_object(Bucket="bucket", Key=key)
    else:
        body = LARGE + bytes([number]) if step == "large" else bytes([number])
        account.client("s3").put_object(Bucket="bucket", Key=key, Body=body)


def seen(account: Account) -> object:
    client = account.client("s3")
    objects = [entry["Key"] for entry in client.list_objects_v2(Bucket="bucket").get("Contents", [])]
    parameters = account.client("ssm").get_parameters_by_path(Path="/", Recursive=True)["Parameters"]
    return (
        {key: client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in objects},
        {parameter["Name"]: parameter["Value"] for parameter in parameters},
    )


def copied(folder: Path, to: Path) -> Path:
    """What would be on disk if the process were killed now."""
    return Path(shutil.copytree(folder, to))


@pytest.mark.parametrize(
    ("call", "effect"),
    [
        (ApiCall("s3", "GetObject"), Effect.NONE),
        (ApiCall("dynamodb", "Scan"), Effect.NONE),
        (ApiCall("sqs", "ReceiveMessage"), Effect.DURABLE),
        (ApiCall("sts", "GetSessionToken"), Effect.DURABLE),
        (ApiCall("cloudwatch", "PutMetricData"), Effect.LAZY),
        (ApiCall("kms", "CreateKey"), Effect.DURABLE),
    ],
)
def test_a_calls_name_says_what_it_does_to_the_state(call: ApiCall, effect: Effect) -> None:
    assert effect_of(call) is effect
