"""Puts the retraining loop together from its settings, the package and AWS clients: in Lambda and in tests."""

from __future__ import annotations

from aws_lambda_powertools.logging import Logger

from functions.retraining.assembling import Assembler
from functions.retraining.core import Clients, compose_core
from functions.retraining.data_check import DataCheck
from functions.retraining.history import history
from functions.retraining.judging import Judging
from functions.retraining.leftovers import Leftovers
from functions.retraining.loop import RetrainingLoop, Step
from functions.retraining.promotion import Promotion
from functions.retraining.registering import Registrar
from functions.retraining.rollout import Rollout
from functions.retraining.settings import RetrainingSettings
from model_packages.contract import PackageConfig
from model_packages.interface import Interface
from model_packages.profile.quality_fields import quality_fields


def compose(
    clients: Clients, *, settings: RetrainingSettings, config: PackageConfig, interface: Interface, logger: Logger
) -> RetrainingLoop:
    """The loop of one package. Raises: PackageError if the package says of its labels what cannot be."""
    leftovers = Leftovers(sagemaker=clients.sagemaker, settings=settings, config=config)
    is_judged = quality_fields(interface, config) is not None
    core = compose_core(
        clients, settings=settings, config=config, leftovers=leftovers, is_judged=is_judged, logger=logger
    )
    s3, sagemaker = clients.s3, clients.sagemaker
    rollout = Rollout(
        sagemaker=sagemaker, cloudwatch=clients.cloudwatch, store=core.store, settings=settings, config=config
    )
    steps: dict[str, Step] = {
        "admit": core.admitting.admit,
        "assemble": Assembler(s3=s3, settings=settings, config=config, interface=interface).assemble,
        "check": DataCheck(s3=s3, settings=settings, config=config, interface=interface).check,
        "judge": Judging(s3=s3, settings=settings, config=config, interface=interface).judge,
        "register": Registrar(
            s3=s3, sagemaker=sagemaker, settings=settings, config=config, interface=interface
        ).register,
        "ask": core.asking.ask,
        "roll_out": rollout.roll_out,
        "observe": rollout.observe,
        "promote": Promotion(ssm=clients.ssm, sagemaker=sagemaker, store=core.store, settings=settings).promote,
        "conclude": core.concluding.conclude,
        "history": lambda _: history(core.store.read()),
    }
    return RetrainingLoop(steps=steps, settling=core.settling, guard=core.guard)
