"""What the synth has to know of SageMaker's hosts: their processor, memory and GPUs. SageMaker has no API that tells.

From AWS's pages on instance types, 2026-11. Memory follows from the family and the size; the exceptions stand below.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

import botocore

GIB = 2**30

Use = Literal["endpoint", "training", "processing"]
SHAPES: Mapping[Use, str] = {
    "endpoint": "ProductionVariantInstanceType",
    "training": "TrainingInstanceType",
    "processing": "ProcessingInstanceType",
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU model. `capability` is CUDA's compute capability: which binaries and number formats it runs."""

    name: str
    memory_gib: float
    capability: tuple[int, int]


GPUS: Mapping[str, Gpu] = {
    "p2": Gpu("K80", 12, (3, 7)),
    "p3": Gpu("V100", 16, (7, 0)),
    "p3dn": Gpu("V100", 32, (7, 0)),
    "p4d": Gpu("A100", 40, (8, 0)),
    "p4de": Gpu("A100", 80, (8, 0)),
    "p5": Gpu("H100", 80, (9, 0)),
    "p5e": Gpu("H200", 141, (9, 0)),
    "p5en": Gpu("H200", 141, (9, 0)),
    "p6-b200": Gpu("B200", 179, (10, 0)),
    "p6-b300": Gpu("B300", 268, (10, 3)),
    "p6e-gb200": Gpu("GB200", 185, (10, 0)),
    "g4dn": Gpu("T4", 16, (7, 5)),
    "g5": Gpu("A10G", 22, (8, 6)),
    "g6": Gpu("L4", 22, (8, 9)),
    "g6e": Gpu("L40S", 44, (8, 9)),
    "g7": Gpu("RTX PRO 4500", 32, (12, 0)),
    "g7e": Gpu("RTX PRO 6000", 96, (12, 0)),
}

GPU_COUNTS: Mapping[str, int] = {
    "p2.8xlarge": 8,
    "p2.16xlarge": 16,
    "p3.8xlarge": 4,
    "p3.16xlarge": 8,
    "p3dn.24xlarge": 8,
    "p4d.24xlarge": 8,
    "p4de.24xlarge": 8,
    "p5.48xlarge": 8,
    "p5e.48xlarge": 8,
    "p5en.48xlarge": 8,
    "p6-b200.48xlarge": 8,
    "p6-b300.48xlarge": 8,
    "p6e-gb200.36xlarge": 4,
    "g4dn.12xlarge": 4,
    "g5.12xlarge": 4,
    "g5.24xlarge": 4,
    "g5.48xlarge": 8,
    "g6.12xlarge": 4,
    "g6.24xlarge": 4,
    "g6.48xlarge": 8,
    "g6e.12xlarge": 4,
    "g6e.24xlarge": 4,
    "g6e.48xlarge": 8,
    "g7.12xlarge": 2,
    "g7.24xlarge": 4,
    "g7.48xlarge": 8,
    "g7e.12xlarge": 2,
    "g7e.24xlarge": 4,
    "g7e.48xlarge": 8,
}
"""Sizes with several GPUs; every other size of a family of GPUS has one."""

NEURON_FAMILIES = ("inf1", "inf2", "trn1", "trn1n", "trn2", "dl1")
"""Accelerators that are no GPUs: torch needs a build of its own for them."""

VCPUS_A_STEP = 4  # xlarge; 2xlarge has twice as many
VCPUS: Mapping[str, int] = {"medium": 1, "large": 2}
GIB_A_VCPU: Mapping[str, float] = {
    "c4": 1.875,
    "c": 2.0,
    "m": 4.0,
    "r": 8.0,
    "t": 4.0,
    "g4dn": 4.0,
    "g5": 4.0,
    "g6": 4.0,
}
MEMORY_GIB: Mapping[str, float] = {
    "t2.medium": 4,
    "t3.medium": 4,
    "t2.large": 8,
    "t3.large": 8,
    "p3.2xlarge": 61,
    "p3.8xlarge": 244,
    "p3.16xlarge": 488,
    "p4d.24xlarge": 1152,
    "p4de.24xlarge": 1152,
    "p5.4xlarge": 256,
    "p5.48xlarge": 2048,
    "g6e.xlarge": 32,
    "g6e.2xlarge": 64,
    "g6e.4xlarge": 128,
    "g6e.8xlarge": 256,
    "g6e.12xlarge": 384,
    "g6e.16xlarge": 512,
    "g6e.24xlarge": 768,
    "g6e.48xlarge": 1536,
}
"""Where family and size do not tell."""


@dataclass(frozen=True, slots=True)
class Host:
    """One instance of a type. `memory_gib` is None where it is not known here."""

    instance_type: str
    gpu: Gpu | None
    gpus: int
    vcpus: int | None
    """None where it is not known here."""
    memory_gib: float | None
    is_arm: bool
    is_neuron: bool


@cache
def host(instance_type: str) -> Host:
    """What an instance of a type such as "ml.g6.xlarge" is made of."""
    name = instance_type.removeprefix("ml.")
    family, _, size = name.partition(".")
    gpu = GPUS.get(family)
    return Host(
        instance_type=instance_type,
        gpu=gpu,
        gpus=GPU_COUNTS.get(name, 1) if gpu else 0,
        vcpus=_vcpus(size),
        memory_gib=_memory_gib(family, size),
        is_arm=family == "p6e-gb200" or re.fullmatch(r"[cmrtx]\d+g[a-z]*", family) is not None,
        is_neuron=family in NEURON_FAMILIES,
    )


@cache
def instance_types(use: Use) -> tuple[str, ...]:
    """The types that SageMaker takes, by the installed botocore.

    Read as text, because parsing the whole service model would take longer than all checks together.
    """
    path = Path(botocore.__file__).parent / "data/sagemaker/2017-07-24/service-2.json.gz"
    model = gzip.decompress(path.read_bytes())
    shape = re.search(rb'"%s":\{"type":"string","enum":\[(.*?)\]' % SHAPES[use].encode(), _compact(model, use))
    if shape is None:
        raise LookupError(f"{path} has no enumeration {SHAPES[use]}: botocore's layout has changed")
    return tuple(name.decode() for name in re.findall(rb'"([^"]+)"', shape[1]))


def similar(instance_type: str, use: Use) -> str:
    """Types that look like a mistyped one, as a sentence's end."""
    close = get_close_matches(instance_type, instance_types(use), n=3, cutoff=0.7)
    return ", ".join(close) or f"one of the {len(instance_types(use))} types of {SHAPES[use]}"


def _compact(model: bytes, use: Use) -> bytes:
    """The surroundings of one shape, without the white space of a model that was printed for people."""
    start = model.find(b'"%s":' % SHAPES[use].encode())
    return re.sub(rb"\s+", b"", model[start : start + 20_000])


def _memory_gib(family: str, size: str) -> float | None:
    if (known := MEMORY_GIB.get(f"{family}.{size}")) is not None:
        return known
    vcpus, a_vcpu = _vcpus(size), GIB_A_VCPU.get(family, GIB_A_VCPU.get(family[:1]))
    return None if vcpus is None or a_vcpu is None else vcpus * a_vcpu


def _vcpus(size: str) -> int | None:
    steps = re.fullmatch(r"(\d*)xlarge", size)
    return VCPUS_A_STEP * int(steps[1] or 1) if steps else VCPUS.get(size)
