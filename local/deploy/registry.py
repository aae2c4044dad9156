"""Every handler there is, by resource type."""

from __future__ import annotations

from local.deploy.handlers import AwsResource, HandlerType, Registry, SupportedType, supported_types
from local.deploy.resources import (
    apigateway,
    apigateway_keys,
    applicationautoscaling,
    cdk_metadata,
    cloudwatch,
    cognito,
    dynamodb,
    ec2,
    ec2_access,
    ecr,
    events,
    iam,
    kms,
    lambda_,
    logs,
    s3,
    sagemaker,
    sns,
    sqs,
    ssm,
    stepfunctions,
    wafv2,
)
from local.deploy.resources.custom import CustomResource

_HANDLERS: tuple[type[AwsResource], ...] = (
    apigateway.ApiResource,
    apigateway.Authorizer,
    apigateway.Deployment,
    apigateway.GatewayResponse,
    apigateway.Method,
    apigateway.Model,
    apigateway.RequestValidator,
    apigateway.RestApi,
    apigateway.Stage,
    apigateway_keys.Account,
    apigateway_keys.ApiKey,
    apigateway_keys.UsagePlan,
    apigateway_keys.UsagePlanKey,
    applicationautoscaling.ScalableTarget,
    applicationautoscaling.ScalingPolicy,
    cdk_metadata.Metadata,
    cloudwatch.Alarm,
    cloudwatch.CompositeAlarm,
    cloudwatch.Dashboard,
    cognito.UserPool,
    cognito.UserPoolClient,
    dynamodb.Table,
    ec2.FlowLog,
    ec2.RouteTable,
    ec2.Subnet,
    ec2.SubnetRouteTableAssociation,
    ec2.Vpc,
    ec2_access.SecurityGroup,
    ec2_access.SecurityGroupIngress,
    ec2_access.VpcEndpoint,
    ecr.Repository,
    events.Rule,
    iam.ManagedPolicy,
    iam.Policy,
    iam.Role,
    kms.Alias,
    kms.Key,
    lambda_.Alias,
    lambda_.Function,
    lambda_.LayerVersion,
    lambda_.Permission,
    lambda_.Version,
    logs.LogGroup,
    logs.MetricFilter,
    s3.Bucket,
    s3.BucketPolicy,
    sagemaker.Endpoint,
    sagemaker.EndpointConfig,
    sagemaker.Model,
    sagemaker.ModelPackageGroup,
    sns.Subscription,
    sns.Topic,
    sns.TopicPolicy,
    sqs.Queue,
    sqs.QueuePolicy,
    ssm.Parameter,
    stepfunctions.StateMachine,
    wafv2.WebAcl,
    wafv2.WebAclAssociation,
)


def default_registry() -> Registry:
    """The handlers of every service file in resources/."""
    handlers: dict[str, HandlerType] = {handler.resource_type: handler for handler in _HANDLERS}
    return Registry({**handlers, "AWS::CloudFormation::CustomResource": CustomResource}, custom=CustomResource)


def supported() -> list[SupportedType]:
    """The table of what is real and what is simulated, for ARCHITECTURE.md."""
    return supported_types(default_registry())
