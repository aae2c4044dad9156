"""Which permissions of our stacks' roles nothing in the suite needs, and why each of those is granted all the same.

Every local cloud of a whole run leaves a recording. A grant is needed if one recorded question would be answered with
no without it. CDK's own bootstrap roles and AWS's managed policies are other people's lists: they are left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from local.services.iam.evaluation import Grant, grants_of
from local.services.iam.recording import RoleRecord, read_recording

OURS = re.compile(
    r"^arn:aws:iam::\d{12}:role/(?:.*/)?(?P<stack>flyball-[a-z0-9-]+?)-(?P<logical_id>[A-Za-z0-9]+)-[A-Z0-9]{12}$"
)
"""The roles that CloudFormation names for our stacks."""

LOGICAL_ID_HASH = re.compile(r"[0-9A-F]{1,8}$")


@dataclass(frozen=True, order=True)
class Permission:
    """A grant, whatever the installation: which role of which kind of stack, the action, and the resource's form."""

    role: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource}"


@dataclass(frozen=True)
class Explanation:
    """Permissions, by patterns, that no test needs, and the reason for granting them."""

    role: str
    action: str
    resource: str
    reason: str

    def covers(self, permission: Permission) -> bool:
        return (
            fnmatchcase(permission.role, self.role)
            and fnmatchcase(permission.action, self.action)
            and fnmatchcase(permission.resource, self.resource)
        )


EXECUTION_ROLE = "model/ModelExecutionRole"
MONITOR_ROLE = "model/MonitorFunctionRole"
PROCESSING_ROLE = "model/MonitorProcessingRole"
RETRAINING_ROLE = "model/RetrainingFunctionRole"
JOBS_ROLE = "model/RetrainingJobsRole"
STATE_MACHINE_ROLE = "model/RetrainingStateMachineRole"
EXPLAINED = (
    Explanation(
        EXECUTION_ROLE,
        "cloudwatch:PutMetricData",
        "*",
        "SageMaker publishes the endpoint's metrics; the local cloud publishes none",
    ),
    Explanation(
        EXECUTION_ROLE,
        "logs:*",
        "*:log-group:/aws/sagemaker/Endpoints/flyball-?",
        "AWS documents a group's ARN with and without its streams; the local cloud compares the form with them",
    ),
    Explanation(
        EXECUTION_ROLE,
        "logs:DescribeLogStreams",
        "*",
        "AWS lists it among what an execution role needs; the local cloud makes a stream without looking for it",
    ),
    Explanation(
        MONITOR_ROLE,
        "s3:GetObject",
        "*:artifacts",
        "a registered version's baseline lies there; in these tests each endpoint serves its initial artifact",
    ),
    Explanation(
        MONITOR_ROLE,
        "sagemaker:DescribeModelPackage",
        "*",
        "a registered version says where its baseline lies; in these tests none is champion",
    ),
    Explanation(
        PROCESSING_ROLE,
        "cloudwatch:PutMetricData",
        "*",
        "SageMaker publishes the metrics of a job's instances; the local cloud has none",
    ),
    Explanation(
        PROCESSING_ROLE,
        "kms:CreateGrant",
        "*",
        "SageMaker encrypts the volumes of a job's instances; the local cloud has none",
    ),
    Explanation(
        PROCESSING_ROLE,
        "logs:*",
        "*:log-group:/aws/sagemaker/ProcessingJobs",
        "AWS documents a group's ARN with and without its streams; the local cloud compares the form with them",
    ),
    Explanation(
        PROCESSING_ROLE,
        "logs:DescribeLogStreams",
        "*:log-stream:*",
        "AWS lists it among what a job's role needs; the local cloud makes a stream without looking for it",
    ),
    Explanation(
        PROCESSING_ROLE,
        "s3:ListBucket",
        "*:captures",
        "without it S3 answers 403 instead of 404 where a captured file has expired meanwhile",
    ),
    Explanation(
        RETRAINING_ROLE,
        "kms:CreateGrant",
        "*",
        "whoever updates an endpoint lets SageMaker use the key of its volumes; the local cloud has none",
    ),
    Explanation(
        RETRAINING_ROLE,
        "logs:DescribeLogStreams",
        "*",
        "AWS documents a group's ARN with and without its streams; the local cloud compares one of the forms",
    ),
    Explanation(
        RETRAINING_ROLE,
        "cloudwatch:DescribeAlarm*",
        "*",
        "any alarm of the table may start a run or take one back; in these tests only some of them do",
    ),
    Explanation(
        RETRAINING_ROLE,
        "cloudwatch:GetMetricData",
        "*",
        "predictions are counted where a package gives costs, or its labels are not judged; no package here does",
    ),
    Explanation(
        RETRAINING_ROLE,
        "logs:GetLogEvents",
        "*",
        "the last lines of a job that failed; in these tests none fails after it has logged",
    ),
    Explanation(
        RETRAINING_ROLE,
        "sagemaker:CreateModelPackage",
        "*:model-package-group/*",
        "AWS documents the group beside the version; the local cloud asks for the version alone",
    ),
    Explanation(
        RETRAINING_ROLE,
        "states:StartExecution",
        "*",
        "puts the champion back after a run that ended in the middle of its rollout; in these tests none does",
    ),
    Explanation(
        JOBS_ROLE,
        "s3:PutObject",
        "*:captures",
        "checkpoints of training on spare capacity; no package of these tests trains on it",
    ),
    Explanation(
        STATE_MACHINE_ROLE,
        "sagemaker:*Tags",
        "*",
        "AWS lists it among what running a job and waiting for it needs; the local cloud does not tag the job",
    ),
    Explanation(
        STATE_MACHINE_ROLE,
        "sagemaker:StopProcessingJob",
        "*",
        "a run that is stopped while it evaluates; in these tests one is stopped while it trains",
    ),
    Explanation(
        JOBS_ROLE,
        "cloudwatch:PutMetricData",
        "*",
        "SageMaker publishes the metrics of a job's instances; the local cloud has none",
    ),
    Explanation(
        JOBS_ROLE,
        "kms:CreateGrant",
        "*",
        "SageMaker encrypts the volumes of a job's instances; the local cloud has none",
    ),
    Explanation(
        JOBS_ROLE,
        "logs:*",
        "*:log-group:/aws/sagemaker/*Jobs",
        "AWS documents a group's ARN with and without its streams; the local cloud compares the form with them",
    ),
    Explanation(
        JOBS_ROLE,
        "logs:DescribeLogStreams",
        "*:log-stream:*",
        "AWS lists it among what a job's role needs; the local cloud makes a stream without looking for it",
    ),
)


@dataclass(frozen=True)
class Report:
    """What the recordings of a run say."""

    needed: frozenset[Permission]
    unneeded: frozenset[Permission]

    @property
    def explained(self) -> dict[Permission, str]:
        """Unneeded permissions that have a reason."""
        reasons = {permission: reason_for(permission) for permission in sorted(self.unneeded)}
        return {permission: reason for permission, reason in reasons.items() if reason is not None}

    @property
    def unexplained(self) -> list[Permission]:
        """Those that have none."""
        return sorted(self.unneeded - self.explained.keys())

    @property
    def idle_explanations(self) -> list[Explanation]:
        """Reasons for what is not granted, or is needed after all."""
        return [each for each in EXPLAINED if not any(each.covers(permission) for permission in self.unneeded)]

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{len(self.needed)} permissions of our roles are needed by a test"
        for permission, reason in self.explained.items():
            yield f"granted, never needed here: {permission}: {reason}"
        for permission in self.unexplained:
            yield f"UNEXPLAINED, granted and never needed: {permission}"
        for explanation in self.idle_explanations:
            yield f"UNEXPLAINED, a reason for nothing: {explanation.role} {explanation.action} {explanation.resource}"


def reason_for(permission: Permission) -> str | None:
    return next((each.reason for each in EXPLAINED if each.covers(permission)), None)


def report(folder: Path) -> Report:
    """The report on every recording in a folder: one cloud's need is enough."""
    needed: set[Permission] = set()
    granted: set[Permission] = set()
    for path in sorted(folder.glob("*.json")):
        for found, is_needed in permissions(read_recording(path)).items():
            granted.add(found)
            if is_needed:
                needed.add(found)
    return Report(frozenset(needed), frozenset(granted - needed))


def permissions(recording: Mapping[str, RoleRecord]) -> dict[Permission, bool]:
    """Each permission of our roles in one recording, and whether it was needed."""
    found: dict[Permission, bool] = defaultdict(bool)
    for role_arn, record in recording.items():
        match = OURS.match(role_arn)
        if match is None:
            continue
        for grant in own_grants(record):
            found[permission(match["stack"], match["logical_id"], grant)] |= record.needs(grant)
    return found


def own_grants(record: RoleRecord) -> Iterable[Grant]:
    """Those that our templates spell out."""
    return (grant for grant in grants_of(record.policies) if not grant.policy.startswith("arn:aws:iam::aws:"))


def permission(stack: str, logical_id: str, grant: Grant) -> Permission:
    """A grant freed from the names of one installation."""
    package = stack.removeprefix("flyball-")
    kind = "platform" if package == "platform" else "model"
    role = f"{kind}/{LOGICAL_ID_HASH.sub('', logical_id)}"
    return Permission(role, grant.action, form_of(grant.resource, package=package))


def form_of(resource: str, *, package: str) -> str:
    """A resource without account, package, hashes and CloudFormation's endings; buckets by what they hold."""
    if match := re.search(r"buckets(artifacts|captures)", resource):
        return f"arn:aws:s3:::*:{match[1]}"
    text = re.sub(r"[0-9a-f]{64}|[0-9a-f-]{36}", "*", resource)
    text = re.sub(r"\d{12}", "*", text)
    text = re.sub(r"-[A-Z0-9]{12}\b|-[a-z0-9]{12}\b", "-*", text)
    text = re.sub(r"(/flyball/)[a-z0-9-]+(/champion)", r"\1?\2", text)
    return re.sub(rf"\b{re.escape(package)}\b", "?", text) if package != "platform" else text
