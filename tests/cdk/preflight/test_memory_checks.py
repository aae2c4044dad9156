"""Weights against memory: what an artifact holds is read from its headers, and compared with GPU and host."""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from cdk.preflight.weights import UNPACKED_UP_TO_BYTES, weights_of
from tests.cdk.preflight.templates import Flowers, Json, artifact_of_tensors, artifact_with

GIB = 2**30


def torch_file(*sizes: int) -> bytes:
    """What torch.save writes, as far as sizes go: one stored entry a storage."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model/data.pkl", b"never opened")
        for index, size in enumerate(sizes):
            archive.writestr(f"model/data/{index}", bytes(size))
    return content.getvalue()


def test_the_weights_of_every_format_are_counted_and_nothing_else(tmp_path: Path) -> None:
    saved = {"a.pt": torch_file(400, 64), "old.pth": pickle.dumps([1.0]), "flyball.json": b"{}" * 1000}
    artifact = artifact_with(tmp_path / "model.tar.gz", saved)

    weights = weights_of(artifact)

    assert weights.size_bytes == 400 + 64 + len(saved["old.pth"])


def test_a_safetensors_header_says_the_size_without_the_tensors(tmp_path: Path) -> None:
    artifact = artifact_of_tensors(tmp_path / "model.tar.gz", 30 * GIB)

    assert weights_of(artifact).size_bytes == 30 * GIB


def test_a_large_artifact_is_taken_by_its_size_and_not_unpacked(tmp_path: Path) -> None:
    artifact = tmp_path / "model.tar.gz"
    with artifact.open("wb") as file:
        file.truncate(UNPACKED_UP_TO_BYTES + 1)

    weights = weights_of(artifact)

    assert (weights.size_bytes, weights.by) == (UNPACKED_UP_TO_BYTES + 1, "the artifact's size")


@pytest.mark.parametrize(
    ("weights_gib", "precision", "instance_type", "rules"),
    [
        (1, "float32", "ml.g6.xlarge", set[str]()),
        (7, "float32", "ml.g6.xlarge", set[str]()),
        (8, "float32", "ml.g6.xlarge", {"weights-exceed-memory"}),  # 16 GiB and the process, of 16 GiB
        (14, "float32", "ml.g6.2xlarge", set[str]()),
        (14, "bfloat16", "ml.g6.2xlarge", {"gpu-memory-tight"}),
        (15, "bfloat16", "ml.g6.2xlarge", {"weights-exceed-gpu"}),
        (22, "float32", "ml.g6.8xlarge", {"weights-exceed-gpu"}),
        (2, "float32", "ml.c7i.large", {"weights-exceed-memory"}),
        (1, "float32", "ml.c7i.large", set[str]()),
    ],
)
def test_weights_are_compared_with_one_gpu_and_with_the_host(
    flowers: Flowers, tmp_path: Path, weights_gib: int, precision: str, instance_type: str, rules: set[str]
) -> None:
    artifact = artifact_of_tensors(tmp_path / "model.tar.gz", weights_gib * GIB)

    def put(properties: Json) -> None:
        properties["ProductionVariants"][0]["InstanceType"] = instance_type

    served = flowers.having(
        artifact=artifact,
        sections={"endpoint": {"instance_type": instance_type}, "batching": {"precision": precision}},
        edits={"AWS::SageMaker::EndpointConfig": put},
    )

    assert served.ids() == rules


def test_a_damaged_artifact_is_a_finding_and_no_crash(flowers: Flowers, tmp_path: Path) -> None:
    artifact = tmp_path / "model.tar.gz"
    artifact.write_bytes(b"not a tar")

    (finding,) = flowers.having(artifact=artifact).findings()

    assert finding.rule.id == "artifact-unreadable"
    assert finding.change == "run `flyball train flowers`"
