"""Folds a window that outgrows the monitor's function: the application of a SageMaker Processing job on Spark.

Each partition folds some of the order's files with the code that the function folds with, and the parts add up to
the same `Folded`. Needs NumPy, botocore and PySpark alone, which is what AWS's Spark image has.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from botocore.config import Config
from botocore.session import Session
from pyspark import RDD, SparkContext, StorageLevel

from functions.monitor.folding import READERS, Files, Folded, Order, fold_part
from functions.monitor.listing import CapturedFile
from functions.monitor.objects import Bucket, parse_uri
from functions.monitor.orders import BASELINE_FILE, FOLDED_FILE, ORDER_FILE, read_order
from functions.monitor.seen import Digests
from model_packages.profile.baseline import Baseline

PARTITION_BYTES = 64 << 20
"""Of captured files, at most: some minutes' work, so that one that is lost costs little."""
ADDED_AT_ONCE = 8
"""Parts that one task adds up."""

OpenFiles = Callable[[], Files]
"""Called in each task: a client cannot be sent to another machine."""


@dataclass(frozen=True, slots=True)
class S3Files:
    """Opens an endpoint's files in S3."""

    bucket: str
    endpoint: str
    region: str | None

    def __call__(self) -> Files:
        bucket = open_bucket(self.bucket, region=self.region)
        return Files(get=bucket.get, put=bucket.put, endpoint=self.endpoint)


@dataclass(frozen=True, slots=True)
class Task:
    """Some of the order's files, and what the tasks before it came to know."""

    files: tuple[CapturedFile, ...]
    late: tuple[CapturedFile, ...]
    known: Digests | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What every task needs."""

    order: Order
    """Without its files."""
    baseline: Baseline
    open_files: OpenFiles

    def fold(self, task: Task) -> Folded:
        known = self.order.known
        if task.known is not None:
            known = np.sort(np.concatenate([known, task.known]))
        order = replace(self.order, files=task.files, late=task.late, known=known)
        return fold_part(order, baseline=self.baseline, files=self.open_files())


def fold_on_spark(order: Order, *, baseline: Baseline, open_files: OpenFiles, context: SparkContext) -> Folded:
    """Folds the order as `fold_here` does. Sums of numbers may differ in their last digits, and nothing else.

    A record that two partitions have is found by the digests that each of them met: whoever comes later is folded
    again, and told which were met before.
    """
    shared = context.broadcast(Shared(replace(order, files=(), late=()), baseline, open_files))
    tasks = split(order, at_least=context.defaultParallelism)
    parts = _folded(dict(enumerate(tasks)), shared=shared, context=context)
    known = met_before(dict(parts.mapValues(_digests_of).collect()))
    if known:
        again = {number: replace(tasks[number], known=found) for number, found in known.items()}
        settled = parts.filter(lambda part: part[0] not in again)
        parts = settled.union(_folded(again, shared=shared, context=context))
    return _added(parts).finished()


def split(order: Order, *, at_least: int) -> list[Task]:
    """Tasks of about the same size in the order's order, as many as there are cores or more; at least one."""
    size = sum(file.size_bytes for file in order.files)
    count = max(at_least, math.ceil(size / PARTITION_BYTES), 1)
    files = _shares(order.files, count)
    late = _shares(order.late, count)
    return [Task(*some) for some in zip(files, late, strict=True) if any(some)] or [Task((), ())]


def met_before(digests: Mapping[int, Digests]) -> dict[int, Digests]:
    """Of each task that met what one before it met: those digests."""
    numbers = sorted(digests)
    every = np.concatenate([digests[number] for number in numbers])
    owners = np.repeat(numbers, [len(digests[number]) for number in numbers])
    order = np.lexsort((owners, every))
    every, owners = every[order], owners[order]
    is_again = np.r_[False, every[1:] == every[:-1]] if len(every) else np.zeros(0, dtype=bool)
    # A task may have met one twice, as an event's id and as an inference's: that is its own affair.
    is_first_owner = np.ones(len(every), dtype=bool)
    starts = np.maximum.accumulate(np.where(is_again, 0, np.arange(len(every))))
    is_first_owner = owners[starts] == owners
    return {
        int(number): np.unique(every[~is_first_owner & (owners == number)])
        for number in np.unique(owners[~is_first_owner])
    }


def open_bucket(name: str, *, region: str | None) -> Bucket:
    """A bucket, in whatever process this is called."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=READERS)
    return Bucket(Session().create_client("s3", region_name=region, config=config), name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Folds the order that lies below `--job s3://bucket/prefix/`, and leaves the result beside it."""
    parser = argparse.ArgumentParser(description="Folds a window of captured records.")
    parser.add_argument("--job", required=True, help="s3://bucket/prefix/ of order.json and baseline.json")
    bucket_name, prefix = parse_uri(parser.parse_args(arguments).job)
    # botocore does not read AWS_REGION, which is what containers have.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    bucket = open_bucket(bucket_name, region=region)
    endpoint, order = read_order(bucket.get(f"{prefix}{ORDER_FILE}"))
    baseline = Baseline.from_json(bucket.get(f"{prefix}{BASELINE_FILE}"))
    with SparkContext.getOrCreate() as context:
        files = S3Files(bucket_name, endpoint, region)
        folded = fold_on_spark(order, baseline=baseline, open_files=files, context=context)
    bucket.put(f"{prefix}{FOLDED_FILE}", folded.to_bytes())
    print(f"folded {folded.reading.rows} rows of {folded.reading.files} files")


def _folded(tasks: Mapping[int, Task], *, shared: Any, context: SparkContext) -> RDD[tuple[int, Folded]]:
    each = context.parallelize(list(tasks.items()), len(tasks))
    folded = each.mapValues(lambda task: shared.value.fold(task))  # noqa: PLW0108 - else the value itself is sent
    return folded.persist(StorageLevel.DISK_ONLY)


def _added(parts: RDD[tuple[int, Folded]]) -> Folded:
    """The sum, always in the same order: a task that is tried again gives the same bytes."""
    groups = parts.map(lambda part: (part[0] // ADDED_AT_ONCE, part)).groupByKey().mapValues(_sum)
    return _sum(groups.collect())


def _sum(parts: Iterable[tuple[int, Folded]]) -> Folded:
    return reduce(add, (folded for _, folded in sorted(parts, key=lambda part: part[0])))


def _digests_of(folded: Folded) -> Digests:
    return np.concatenate([np.empty(0, dtype="<u8"), *folded.digests.values()])


def _shares(files: Sequence[CapturedFile], count: int) -> list[tuple[CapturedFile, ...]]:
    """The files in their order, in `count` shares of about as many bytes; a share may be empty."""
    ends = np.cumsum([file.size_bytes for file in files], dtype=np.int64)
    middles = ends - np.array([file.size_bytes for file in files], dtype=np.int64) / 2
    owners = np.minimum((middles / max(1, ends[-1]) * count).astype(int), count - 1) if len(files) else ends
    return [tuple(file for file, owner in zip(files, owners, strict=True) if owner == share) for share in range(count)]


if __name__ == "__main__":
    from functions.monitor.spark import main as main_by_name

    # What tasks are sent is found by its module's name there; the module that is run has another.
    main_by_name()
