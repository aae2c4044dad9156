"""A web application firewall before the API; made only where the settings ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from cdk.settings import PlatformSettings

REQUESTS_PER_ADDRESS = 10_000  # in five minutes

MANAGED_RULES: Mapping[str, tuple[str, ...]] = {
    # A model's request is often larger than the 8 KB that this rule allows; the gateway bounds it by the package.
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
    "AWSManagedRulesKnownBadInputsRuleSet": (),
    "AWSManagedRulesAmazonIpReputationList": (),
}
"""AWS's rule groups in the order of their priority, each with the rules that only count here."""


class Firewall(Construct):
    """AWS's managed rules and a limit for each address, on the API's one stage."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: apigateway.Stage, settings: PlatformSettings
    ) -> None:
        super().__init__(scope, construct_id)
        groups = [_managed(name, priority) for priority, name in enumerate(MANAGED_RULES)]
        acl = wafv2.CfnWebACL(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            rules=[*groups, _rate_limit(priority=len(groups))],
            visibility_config=_visibility(settings.prefix),
        )
        stage_arn = f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}::/restapis/{stage.rest_api.rest_api_id}"
        wafv2.CfnWebACLAssociation(
            self, "Association", resource_arn=f"{stage_arn}/stages/{stage.stage_name}", web_acl_arn=acl.attr_arn
        )


def _managed(name: str, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    counted: list[Any] = [
        wafv2.CfnWebACL.RuleActionOverrideProperty(
            name=rule, action_to_use=wafv2.CfnWebACL.RuleActionProperty(count={})
        )
        for rule in MANAGED_RULES[name]
    ]
    group = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
        vendor_name="AWS", name=name, rule_action_overrides=counted or None
    )
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_visibility(name),
    )


def _rate_limit(*, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    limit = wafv2.CfnWebACL.RateBasedStatementProperty(limit=REQUESTS_PER_ADDRESS, aggregate_key_type="IP")
    return wafv2.CfnWebACL.RuleProperty(
        name="RatePerAddress",
        priority=priority,
        statement=wafv2.CfnWebACL.StatementProperty(rate_based_statement=limit),
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        visibility_config=_visibility("RatePerAddress"),
    )


def _visibility(metric_name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    """Metrics, but no samples: a sampled request would show its headers to whoever may read the console."""
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric_name, sampled_requests_enabled=False
    )
