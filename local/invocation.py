"""What `flyball invoke` sends: a package's example, a file or standard input, to the local API or to one on AWS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from local.client import Answer, aws_target, call, local_target
from local.project import Project
from local.running import require_running
from model_packages.errors import OperatorError


def invoke(project: Project, *, package: str, data: str | None, example: int, url: str | None) -> Answer:
    """One prediction of `package`, signed with the credentials that belong to the address.

    Raises: OperatorError if there is nothing to send or nobody to answer.
    """
    body = read_example(project, package=package, index=example) if data is None else _read_data(data)
    target = local_target(require_running(project)) if url is None else aws_target(url)
    return call(target, method="POST", path=f"/models/{package}/predict", body=body)


def read_example(project: Project, *, package: str, index: int) -> bytes:
    """The request of one of the package's examples, as JSON.

    Raises: OperatorError if the package or the example does not exist.
    """
    path = project.packages / package / "examples.json"
    if not path.is_file():
        raise OperatorError(f"there is no {path.relative_to(project.root)}; --data FILE sends a request of your own")
    examples = json.loads(path.read_text(encoding="utf-8"))
    if index >= len(examples):
        raise OperatorError(f"{package} has {len(examples)} examples; --example takes 0 to {len(examples) - 1}")
    return json.dumps(examples[index]["request"]).encode()


def _read_data(data: str) -> bytes:
    if data == "-":
        return sys.stdin.buffer.read()
    path = Path(data)
    if not path.is_file():
        raise OperatorError(f"there is no file {data}; --data takes a file, or - for standard input")
    return path.read_bytes()
