"""Whether a retraining loop can do what it is for: there is something to train on, a host to evaluate on, and somebody
who hears that an approval is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator

from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.hardware import instance_types
from cdk.preflight.installation import Installation
from cdk.retraining_jobs import evaluation_instance_type
from model_packages.discovery import ModelPackage

NO_CAPTURES = warning(
    "retraining-without-captures", "Nothing is captured: whatever starts a run, there are no new records to train on."
)
TOO_FEW_LABELS = warning(
    "retraining-out-of-reach",
    "Fewer requests are captured while they may be labelled than `retraining.minimum_labels`: no run is ever admitted.",
)
NOBODY_ASKED = warning(
    "approval-unheard",
    "A version waits for an approval, and nobody is subscribed to the topic that asks: it is given up unseen.",
)
NO_EVALUATION = error(
    "evaluation-instance-type",
    "SageMaker has no processing jobs on what the package trains on, nor on what it serves on: nothing is compared.",
)
RULES = (NO_CAPTURES, TOO_FEW_LABELS, NOBODY_ASKED, NO_EVALUATION)

DAYS_A_MONTH = 365 / 12


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at what each package.toml says of retraining, and at who is subscribed."""
    is_heard = any(True for stack in installation.stacks for _ in stack.resources("AWS::SNS::Subscription"))
    for _, package in installation.packages:
        yield from _label_findings(package)
        yield from _evaluation_findings(package)
        if package.config.retraining.approval and not is_heard:
            yield NOBODY_ASKED.broken(
                f"{package.name}/package.toml, retraining.approval",
                found="approval = true and no subscription",
                allowed="alarm_email or alarm_url in cdk.json, or a subscription by hand",
                change="alarm_email in cdk.json",
                package=package.name,
            )


def _label_findings(package: ModelPackage) -> Iterator[Finding]:
    config = package.config
    if not config.retraining.triggers:
        return
    where, expected = f"{package.name}/package.toml, ", labelable(package)
    if config.capture.percent == 0:
        yield NO_CAPTURES.broken(
            f"{where}capture.percent",
            found=f"0, with retraining.triggers {', '.join(config.retraining.triggers)}",
            allowed="1 or more, or no triggers",
            change="capture.percent, or retraining.triggers = []",
            package=package.name,
        )
    elif config.budget.requests_per_month and expected < config.retraining.minimum_labels:
        yield TOO_FEW_LABELS.broken(
            f"{where}retraining.minimum_labels",
            found=f"{config.retraining.minimum_labels:,}, and about {expected:,.0f} captured requests that take labels",
            allowed="at most as many as are captured in monitor.label_days and capture.retention_days",
            change="fewer minimum_labels, or a larger capture.percent",
            package=package.name,
        )


def labelable(package: ModelPackage) -> float:
    """So many requests are captured, of those that are expected, in the time in which they may be labelled."""
    config = package.config
    days = min(config.monitor.label_days, config.capture.retention_days)
    return config.budget.requests_per_month * config.capture.percent / 100 * days / DAYS_A_MONTH


def _evaluation_findings(package: ModelPackage) -> Iterator[Finding]:
    chosen = evaluation_instance_type(package.config)
    if chosen in instance_types("training") and chosen not in instance_types("processing"):
        yield NO_EVALUATION.broken(
            f"{package.name}/package.toml, training.instance_type",
            found=f"{chosen}, and endpoint.instance_type {package.config.endpoint.instance_type}",
            allowed="one of the two that SageMaker Processing has",
            change="training.instance_type or endpoint.instance_type",
            package=package.name,
        )
