"""What starts a run of the retraining loop by itself, and what hears of an execution that ended without a word."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from cdk.model_alarms import ModelAlarms
from cdk.names import PackageNames
from cdk.statements import allow

LOOK_HOURS = 1
BY_ALARM = {"drift": ("Drift",), "quality": ("QualityDrop", "LowQuality")}
"""Alarms of the table by the trigger that they are."""
ENDED_BADLY = ("ABORTED", "FAILED", "TIMED_OUT")


class RetrainingTriggers(Construct):
    """A rule for each trigger that an alarm tells, and one that looks each hour for the others.

    Every trigger starts an execution, whose first step decides whether it is acted on: what is not is written down.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: PackageNames,
        state_machine: stepfunctions.CfnStateMachine,
        function: lambda_.IFunction,
        alarms: ModelAlarms,
    ) -> None:
        super().__init__(scope, construct_id)
        self._names, self._arn = names, state_machine.attr_arn
        self._machine = stepfunctions.StateMachine.from_state_machine_arn(self, "StateMachine", self._arn)
        wanted = names.package.config.retraining.triggers
        if wanted:
            self._role = self._events_role()
            self._look()
        for trigger in wanted:
            found = [alarms.alarms[name].alarm_arn for name in BY_ALARM.get(trigger, ()) if name in alarms.alarms]
            if found:
                self._on_alarm(trigger, found)
        self._settle(function)

    def _events_role(self) -> iam.IRole:
        """EventBridge's, to start this loop; CDK would add a policy of its own to it."""
        start = allow("states:StartExecution", on=[self._arn])
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com"),
            inline_policies={"start": iam.PolicyDocument(statements=[start])},
        )
        return role.without_policy_updates()

    def _look(self) -> None:
        self._rule(
            "Look",
            f"Looks each hour whether {self._names.endpoint} should be retrained",
            {"kind": "look"},
            schedule=events.Schedule.rate(Duration.hours(LOOK_HOURS)),
        )

    def _on_alarm(self, trigger: str, alarm_arns: list[str]) -> None:
        told = {
            "kind": trigger,
            "alarm": events.EventField.from_path("$.detail.alarmName"),
            "reason": events.EventField.from_path("$.detail.state.reason"),
        }
        self._rule(
            trigger.capitalize(),
            f"Retrains {self._names.endpoint} when its {trigger} alarm fires",
            told,
            event_pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                resources=alarm_arns,
                detail={"state": {"value": ["ALARM"]}},
            ),
        )

    def _rule(
        self,
        construct_id: str,
        description: str,
        trigger: dict[str, str],
        *,
        schedule: events.Schedule | None = None,
        event_pattern: events.EventPattern | None = None,
    ) -> None:
        machine_input = events.RuleTargetInput.from_object({"trigger": trigger})
        target = targets.SfnStateMachine(self._machine, input=machine_input, role=self._role)
        events.Rule(
            self,
            construct_id,
            description=description,
            schedule=schedule,
            event_pattern=event_pattern,
            targets=[target],
        )

    def _settle(self, function: lambda_.IFunction) -> None:
        """An execution that was stopped, or that failed before it was concluded, is concluded by the function."""
        events.Rule(
            self,
            "Settle",
            description=f"Concludes runs for {self._names.endpoint} that ended without being concluded",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"status": list(ENDED_BADLY), "stateMachineArn": [self._arn]},
            ),
            targets=[targets.LambdaFunction(function)],
        )
