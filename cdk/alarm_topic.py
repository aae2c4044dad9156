"""Where alarms go. It is always there, so that model stacks may rely on it whether or not the settings name anybody."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.settings import PlatformSettings


class AlarmTopic(sns.Topic):
    """An encrypted topic that this account's CloudWatch alarms may publish to, over TLS. Beside it stands the topic of
    the settings, if there is one: no topic can be subscribed to another.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.Key, settings: PlatformSettings) -> None:
        super().__init__(scope, construct_id, master_key=key, enforce_ssl=True)
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        if settings.alarm_email is not None:
            self.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        if settings.alarm_url is not None:
            self.add_subscription(subscriptions.UrlSubscription(settings.alarm_url))
        self._topic_arns = [self.topic_arn, *filter(None, [settings.alarm_topic_arn])]

    def tell(self, alarm: cloudwatch.AlarmBase) -> None:
        """Makes `alarm` publish to every topic when it fires."""
        for index, topic_arn in enumerate(self._topic_arns):
            topic = sns.Topic.from_topic_arn(alarm, f"Topic{index}", topic_arn)
            alarm.add_alarm_action(actions.SnsAction(topic))

    def tell_when_over(self, alarm: cloudwatch.AlarmBase) -> None:
        """Makes `alarm` publish to every topic when it clears: a pager closes the incident then."""
        for index, topic_arn in enumerate(self._topic_arns):
            topic = sns.Topic.from_topic_arn(alarm, f"TopicWhenOver{index}", topic_arn)
            alarm.add_ok_action(actions.SnsAction(topic))
