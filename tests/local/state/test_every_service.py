"""Each service of the table: what was written and acknowledged before a `kill -9` is there afterwards, as it was."""

from __future__ import annotations

import pickletools
import re
from pathlib import Path

import pytest

from local.api_table import API_TABLE
from tests.local.state.contents import CONTENTS, LARGE, code, stable
from tests.local.state.moto_account import Account, account

pytestmark = pytest.mark.slow

WITHOUT_MOTO = {"cloudformation", "ecr", "sagemaker-runtime", "stepfunctions"}
"""Services that moto answers no call of here: who answers keeps documents, or has nothing to keep."""


def test_every_service_of_the_table_has_contents() -> None:
    assert set(API_TABLE) - WITHOUT_MOTO <= set(CONTENTS)


@pytest.mark.parametrize("service", sorted(CONTENTS))
def test_what_a_service_acknowledged_survives_a_kill(service: str, tmp_path: Path) -> None:
    content = CONTENTS[service]
    before = Account(tmp_path, aws_policies=service == "iam")
    content.fill(before)
    expected = stable(content.look(before))
    before.commit()

    before.killed()
    with account(tmp_path):
        pass  # what was restored is written once more
    with account(tmp_path) as after:
        found = stable(content.look(after))

    assert found == expected


@pytest.mark.parametrize("service", sorted(CONTENTS))
def test_no_change_is_kept_only_at_the_end(service: str, tmp_path: Path) -> None:
    with account(tmp_path, aws_policies=service == "iam") as opened:
        CONTENTS[service].fill(opened)
        opened.keeper.commit_pending()
        before = {row.name: row.content for row in opened.store.rows()}

        opened.keeper.commit_everything()

        after = {row.name: row.content for row in opened.store.rows() if row.name in before or "#" in row.name}
        assert after == before


@pytest.mark.parametrize("service", sorted(CONTENTS))
def test_no_row_has_a_copy_of_another_services_objects(service: str, tmp_path: Path) -> None:
    with account(tmp_path, aws_policies=service == "iam") as opened:
        CONTENTS[service].fill(opened)
        opened.keeper.commit_pending()

        foreign = {
            (row.name, module)
            for row in opened.store.rows()
            for module in _modules(row.content)
            if module.startswith("moto.") and module.split(".")[1] not in _own(row.name)
        }

    assert foreign == set()


def test_a_function_and_its_queue_share_the_mapping_afterwards(tmp_path: Path) -> None:
    before = Account(tmp_path)
    CONTENTS["lambda"].fill(before)
    before.killed()

    with account(tmp_path) as after:
        client, queues = after.client("lambda"), after.client("sqs")
        mapping = client.list_event_source_mappings()["EventSourceMappings"][0]["UUID"]
        queue = queues.get_queue_url(QueueName="jobs")["QueueUrl"]
        queues.send_message(QueueUrl=queue, MessageBody="one")
        client.update_event_source_mapping(UUID=mapping, Enabled=False)
        queues.send_message(QueueUrl=queue, MessageBody="two")

        assert len(after.invoked) == 1


def test_a_functions_code_is_the_same_afterwards(tmp_path: Path) -> None:
    from moto.awslambda.models import lambda_backends  # noqa: PLC0415 - the API gives an address, and nobody answers there

    before = Account(tmp_path)
    CONTENTS["lambda"].fill(before)
    before.killed()

    with account(tmp_path):
        function = lambda_backends["123456789012"]["us-east-1"].get_function("f")

        assert function.code_bytes == code(padding=LARGE)


def test_moto_goes_on_with_a_restored_state(tmp_path: Path) -> None:
    before = Account(tmp_path)
    before.client("s3").create_bucket(Bucket="bucket")
    before.client("logs").create_log_group(logGroupName="/group")
    before.client("logs").create_log_stream(logGroupName="/group", logStreamName="stream")
    before.killed()

    with account(tmp_path) as after:
        client = after.client("s3")
        client.put_object(Bucket="bucket", Key="large", Body=LARGE)
        client.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/large")
        client.put_object(Bucket="bucket", Key="large", Body=b"small")
        client.delete_object(Bucket="bucket", Key="large")

        assert client.get_object(Bucket="bucket", Key="copy")["Body"].read() == LARGE
        with pytest.raises(client.exceptions.ClientError, match="already exists"):
            after.client("logs").create_log_stream(logGroupName="/group", logStreamName="stream")


def _modules(content: bytes) -> set[str]:
    """moto's modules that a pickle takes classes from."""
    names = {argument for _opcode, argument, _position in pickletools.genops(content) if isinstance(argument, str)}
    return {name for name in names if re.fullmatch(r"moto(\.\w+)+", name)}


def _own(row: str) -> set[str]:
    service = row.split("/", maxsplit=1)[0]
    return {service, "core", "utilities", "moto_api", *({"iam"} if service == "sts" else ())}
