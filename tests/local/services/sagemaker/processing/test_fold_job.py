"""A window that outgrows the monitor's function, from request to result: the shipped code, under a real Spark."""

from __future__ import annotations

import asyncio
import zipfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from moto.core.exceptions import ServiceException
from moto.server import ThreadedMotoServer

import cdk.spark
from functions.monitor.folding import Files, Order, fold_here
from functions.monitor.listing import CapturedFile
from functions.monitor.objects import Bucket
from functions.monitor.processing import Processing
from functions.monitor.seen import record_digests
from functions.monitor.settings import MonitorSettings
from functions.monitor.state import Pending
from functions.shared import layout
from local.clock import ManualClock
from local.documents import InMemoryDocuments
from local.processes import Children
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.processing.jobs import ProcessingJobs, processing_jobs
from local.services.sagemaker.processing.operations import Operation, ProcessingOperations
from model_packages.contract import Monitor
from model_packages.errors import OperatorError
from model_packages.interface import load_interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.learning import build_baseline
from tests.benchmarks.captured_payments import captured_files, requests

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOUR = datetime(2026, 2, 14, 12, tzinfo=UTC)
BUCKET, ENDPOINT = "captures", "flyball-payments"
SETTINGS = MonitorSettings(
    package="payments",
    endpoint_name=ENDPOINT,
    captures_bucket=BUCKET,
    initial_baseline_uri="s3://assets/baseline.zip",
    champion_parameter="/flyball/payments/champion",
    gateway_log_group="/aws/lambda/flyball-payments-gateway",
    processing_role_arn="arn:aws:iam::123456789012:role/processing",
    processing_image_uri=f"173754725891.dkr.ecr.us-east-1.amazonaws.com/{cdk.spark.REPOSITORY}:{cdk.spark.TAG}",
    processing_app_uri="s3://assets/0123abcd.py",
    processing_code_uri="s3://assets/4567cdef.zip",
    key_arn="arn:aws:kms:us-east-1:123456789012:key/1",
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def endpoint_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass(frozen=True, slots=True)
class Jobs:
    """The API's operations as botocore's client offers them."""

    operations: ProcessingOperations

    def create_processing_job(self, **arguments: Any) -> Any:
        return _answered(self.operations.create, arguments)

    def describe_processing_job(self, **arguments: Any) -> Any:
        return _answered(self.operations.describe, arguments)


def _answered(operation: Operation, arguments: dict[str, Any]) -> Any:
    try:
        return operation(arguments)
    except ServiceException as error:
        raise ClientError({"Error": {"Code": error.code, "Message": error.message}}, "operation") from error


def no_image(uri: str) -> ImageFolder:
    raise OperatorError(f"no asset has the tag of {uri}")


@asynccontextmanager
async def running_jobs(
    folder: Path, *, s3: Any, variables: Mapping[str, str], lines: dict[str, list[str]]
) -> AsyncIterator[tuple[ProcessingJobs, Jobs]]:
    def log(group: str, stream: str, some: Sequence[str]) -> None:
        lines[group].extend(some)

    async with Children() as children, aiohttp.ClientSession() as session:
        machine = Machine(
            children=children,
            session=session,
            store=s3,
            images=no_image,
            folder=folder / "models",
            clock=ManualClock(),
            log=log,
            role_environment=lambda _role, _session: variables,
        )
        jobs = processing_jobs(machine, InMemoryDocuments(), changed=lambda _before, _after: None)
        later = asyncio.get_running_loop().call_soon_threadsafe
        yield jobs, Jobs(ProcessingOperations(jobs.surroundings, jobs=jobs, later=later))
        await jobs.close()


def upload(s3: Any, folder: Path, captured: Mapping[str, bytes]) -> None:
    """The captures, and the job's code as the deployment packs it."""
    for bucket in (BUCKET, "assets"):
        s3.create_bucket(Bucket=bucket)
    for key, content in captured.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    code = cdk.spark.write_code(folder / "code")
    with zipfile.ZipFile(folder / "code.zip", "w") as archive:
        for path in code.rglob("*.py"):
            archive.write(path, path.relative_to(code))
    s3.upload_file(str(folder / "code.zip"), "assets", "4567cdef.zip")
    s3.upload_file(str(Path(cdk.spark.__file__).parents[1] / cdk.spark.APP), "assets", "0123abcd.py")


def payments_baseline() -> Baseline:
    baseline = build_baseline(load_interface("payments"), requests=requests(500, seed=1), responses=[])
    return baseline.overridden(Monitor())


def order_of(captured: Mapping[str, bytes]) -> Order:
    files = tuple(
        CapturedFile(key=key, hour=layout.hour_path(HOUR), size_bytes=len(content)) for key, content in captured.items()
    )
    return Order(files=files, late=(), known=record_digests([]), block="caller", block_minutes=5)


async def test_a_job_of_the_monitor_runs_and_its_result_is_picked_up(tmp_path: Path, endpoint_url: str) -> None:
    variables = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
    }
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    captured = captured_files(1200, endpoint=ENDPOINT, hour=HOUR)
    captured = {**captured, f"{min(captured)}-again": captured[min(captured)] + b"broken\n"}
    upload(s3, tmp_path, captured)
    order, baseline, lines = order_of(captured), payments_baseline(), defaultdict[str, list[str]](list)

    async with running_jobs(tmp_path, s3=s3, variables=variables, lines=lines) as (jobs, api):
        processing = Processing(jobs=api, bucket=Bucket(s3, BUCKET), settings=SETTINGS, monitor=Monitor())
        pending = Pending(job=processing.name(sequence=1, now=HOUR), files=order.files, late=(), listed=HOUR)
        before = processing.outcome(pending.job)
        await asyncio.to_thread(processing.start, pending, order=order, baseline=baseline)
        started = processing.outcome(pending.job)
        await asyncio.sleep(0)
        await jobs.settle()
        ended, said = processing.outcome(pending.job), lines["/aws/sagemaker/ProcessingJobs"]
        found = await asyncio.to_thread(processing.result, pending.job)

    written: dict[str, bytes] = {}
    here = fold_here(
        order, baseline=baseline, files=Files(get=captured.__getitem__, put=written.__setitem__, endpoint=ENDPOINT)
    )
    assert (before, started, ended) == ("absent", "running", "completed")
    assert "folded 1200 rows of 61 files" in said
    assert here.reading.duplicates == 20
    assert replace(found, tally=replace(found.tally, sums=here.tally.sums)).to_bytes() == here.to_bytes()
    np.testing.assert_allclose(found.tally.sums, here.tally.sums, rtol=1e-12)
    assert {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in written} == written
    s3.close()
