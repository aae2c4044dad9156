"""What the synth has to know of an instance type; SageMaker has no API that a synth could ask without credentials."""

from __future__ import annotations

import re

GPU_FAMILIES = ("g", "p")
FIRST_P_WITH_LOCAL_DISKS = 4


def has_gpu(instance_type: str) -> bool:
    """Whether SageMaker's host has to bring a CUDA driver: "ml.g6.xlarge" has to, "ml.c7i.large" has not."""
    return _family(instance_type)[0] in GPU_FAMILIES


def has_local_disks(instance_type: str) -> bool:
    """Whether it has NVMe disks of its own: these encrypt themselves, and SageMaker refuses a KMS key for them."""
    letters, generation, attributes = _family(instance_type)
    if letters == "p" and generation >= FIRST_P_WITH_LOCAL_DISKS:
        return True
    return letters in ("g", "i", "trn") or "d" in attributes


def _family(instance_type: str) -> tuple[str, int, str]:
    """ml.g4dn.xlarge -> ("g", 4, "dn"); a type that has no such form -> ("", 0, "")."""
    found = re.match(r"ml\.([a-z]+?)(\d+)([a-z]*)", instance_type)
    return (found[1], int(found[2]), found[3]) if found else ("", 0, "")
