"""Calls a package's train(): in this process, or, where a job has several hosts, on all of them under torchrun.

With several hosts, torchrun starts `python -m container.fitting` on each, for each GPU or once. These processes form
torch.distributed's default group before train() is called, and end with it. Each is given the same data, the same
hyperparameters and the same random numbers; what any but the first writes into its model_dir is thrown away.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch
from torch import distributed

from container.failure import write_failure
from container.inference import import_module
from container.logs import log_to
from container.settings import ML_ROOT_VARIABLE, PACKAGE_VARIABLE, Settings
from container.training_job import TRAINING, TrainingJob
from model_packages.contract import Scalar
from model_packages.errors import OperatorError

ADDRESS_VARIABLE: Final = "MASTER_ADDR"
PORT_VARIABLE: Final = "MASTER_PORT"
PORT: Final = "29500"
"""torchrun's own default. Where the hosts' names say nothing, both variables can be set from outside."""

SECONDS_TO_END: Final = 30.0
EXIT_FAILED: Final = 1
SEED: Final = "seed"


class FittingFailed(Exception):
    """torchrun has ended without success; the process that failed first has left its reason."""


def fit(package: str, job: TrainingJob) -> None:
    """Runs train(); afterwards the first host's model folder has what it saved.

    Raises: whatever train() raises, OperatorError for a seed that is none; FittingFailed with several hosts.
    """
    job.model_dir.mkdir(parents=True, exist_ok=True)
    job.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    os.environ.update(job.environment(gpus=torch.cuda.device_count()))
    if len(job.hosts) == 1:
        _train(package, job, job.model_dir)
    else:
        _torchrun(package, job)


def main() -> int:
    """One process of several: what torchrun starts. Returns the exit code."""
    log_to(sys.stdout)
    settings = Settings.from_environment(os.environ)
    try:
        _train_together(settings.package, TrainingJob.read(settings.ml_root))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is why the job failed
        write_failure(settings.ml_root, error)
        return EXIT_FAILED
    return 0


def _torchrun(package: str, job: TrainingJob) -> None:
    # "auto" would start one process a core where there is no GPU.
    processes = torch.cuda.device_count() or 1
    command = [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", str(len(job.hosts)), "--node-rank", str(job.rank), "--nproc-per-node", str(processes)),
        *("--master-addr", os.environ.get(ADDRESS_VARIABLE) or job.first_host),
        *("--master-port", os.environ.get(PORT_VARIABLE) or PORT),
        *("--module", "container.fitting"),
    ]
    environment = {PACKAGE_VARIABLE: package, ML_ROOT_VARIABLE: str(job.ml_root), **_interface(job)}
    with subprocess.Popen(command, env={**os.environ, **environment}) as launcher:
        try:
            code = launcher.wait()
        finally:
            _end(launcher)
    if code != 0:
        raise FittingFailed(f"torchrun ended with exit code {code} on {job.current_host}")


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """torchrun ends what it started when it is told to end."""
    if launcher.poll() is None:
        launcher.terminate()
        try:
            launcher.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            launcher.kill()


def _interface(job: TrainingJob) -> Mapping[str, str]:
    """Which network the hosts find each other on."""
    names = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    return {name: os.environ.get(name, job.network_interface) for name in names if job.network_interface}


def _train_together(package: str, job: TrainingJob) -> None:
    with_gpu = torch.cuda.is_available()
    if with_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if with_gpu else "gloo")
    with _own_model_dir(job) as model_dir:
        _train(package, job, model_dir)
    distributed.barrier()
    distributed.destroy_process_group()


@contextmanager
def _own_model_dir(job: TrainingJob) -> Iterator[Path]:
    """The version's folder for the first process, and one that is thrown away for each other."""
    if distributed.get_rank() == 0:
        yield job.model_dir
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _train(package: str, job: TrainingJob, model_dir: Path) -> None:
    _set_seed(job.hyperparameters)
    import_module(package, "train").train(job.channels[TRAINING], model_dir, dict(job.hyperparameters))


def _set_seed(hyperparameters: Mapping[str, Scalar]) -> None:
    seed = hyperparameters.get(SEED)
    if seed is None:
        return
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise OperatorError(f"hyperparameter {SEED!r} is {seed!r}; allowed: an integer, 0 to 4294967295")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)


if __name__ == "__main__":
    sys.exit(main())
