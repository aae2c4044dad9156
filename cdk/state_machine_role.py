"""What Step Functions may do in the name of one package's loop: call its function, run its two jobs, log."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.names import PackageNames
from cdk.rules import acknowledge_resource
from cdk.statements import allow, arn, pass_to_sagemaker

MANAGED_RULES = (
    "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
)
"""By which Step Functions hears that a job has ended; it makes them itself, once an account."""
LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
"""As Step Functions asks for it to deliver a state machine's log; none of it has a resource that could be named."""


class StateMachineRole(iam.Role):
    """Assumed by Step Functions only."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PackageNames,
        function: lambda_.IFunction,
        jobs_role: iam.IRole,
    ) -> None:
        jobs = {kind: arn("sagemaker", f"{kind}-job/{names.jobs}*") for kind in ("training", "processing")}
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={
                "loop": iam.PolicyDocument(
                    statements=[
                        allow("lambda:InvokeFunction", on=[function.function_arn]),
                        *_jobs_statements(jobs),
                        pass_to_sagemaker(jobs_role),
                        allow(
                            "events:DescribeRule",
                            "events:PutRule",
                            "events:PutTargets",
                            on=[arn("events", f"rule/{rule}") for rule in MANAGED_RULES],
                        ),
                        allow(*LOG_DELIVERY, on=["*"]),
                    ]
                )
            },
        )
        for resource in jobs.values():
            acknowledge_resource(self, resource, reason="A run names its jobs when it begins.")
        acknowledge_resource(self, "*", reason="Log deliveries have no resource that could be named.")


def _jobs_statements(jobs: dict[str, str]) -> list[iam.PolicyStatement]:
    """To run a job and wait for it, Step Functions also tags it as its own."""
    training, processing = jobs["training"], jobs["processing"]
    return [
        allow(
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
            on=[training],
        ),
        allow(
            "sagemaker:CreateProcessingJob",
            "sagemaker:DescribeProcessingJob",
            "sagemaker:StopProcessingJob",
            on=[processing],
        ),
        allow("sagemaker:AddTags", "sagemaker:ListTags", on=[training, processing]),
    ]
