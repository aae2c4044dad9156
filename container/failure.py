"""Why a training failed, where SageMaker looks for it: it shows the first 1024 characters of output/failure."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

logger = logging.getLogger(__name__)


def write_failure(ml_root: Path, error: BaseException) -> None:
    """The first reason counts: where several processes fail, the others fail because the first one did."""
    reason = f"{type(error).__name__}: {error}"
    path = failure_file(ml_root)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{reason}\n\n{''.join(traceback.format_exception(error))}")
    except FileExistsError:
        pass
    logger.error("training failed", exc_info=error)
    logger.critical("%s", reason)


def failure_file(ml_root: Path) -> Path:
    return ml_root / "output" / "failure"
