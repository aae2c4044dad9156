"""What of AWS can be reached from an isolated VPC, and by whom: an endpoint for each service that something calls.

SageMaker's runtime, by gateway functions; S3, by these for labels, by monitors and retraining loops, by an answer to
CloudFormation, and by SageMaker for models, captures and jobs; Systems Manager, by monitors, loops and the function
that creates champion pointers; SageMaker itself, logs and metrics, by monitors and loops; SNS and Step Functions, by
loops alone. Nothing calls anything else: Lambda and SageMaker fetch images, write logs and send metrics over networks
of their own.
"""

from __future__ import annotations

from aws_cdk import Aws, Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.isolated_vpc import IsolatedVpc
from cdk.settings import PlatformSettings
from cdk.statements import arn

HTTPS = 443
READ_OF_ANY_NAME = (
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListModels",
)
_Group = ec2.CfnSecurityGroup


class PrivateServices(Construct):
    """`endpoints` of the VPC, and the security groups of who may use them, with the `rules` that tie them."""

    def __init__(self, scope: Construct, construct_id: str, *, vpc: IsolatedVpc, settings: PlatformSettings) -> None:
        super().__init__(scope, construct_id)
        self._vpc, self._prefix = vpc, settings.prefix
        self._endpoints_group = self._group("Endpoints", "Interface endpoints of AWS services", egress=[])
        to_endpoints = _https(destination_security_group_id=self._endpoints_group)
        to_s3 = _to_s3(settings)
        self.functions_group = self._group("Functions", "Functions before models", egress=[to_endpoints, to_s3])
        self.pointers_group = self._group("Pointers", "Creates champion pointers", egress=[to_endpoints, to_s3])
        self.models_group = self._group("Models", "Hosts of models", egress=[to_s3])
        to_each_other = _within(settings.vpc.cidr)
        self.jobs_group = self._group("Jobs", "Jobs that train and evaluate", egress=[to_s3, to_each_other])
        self.rules = [
            self._let_in("Functions", self.functions_group),
            self._let_in("Pointers", self.pointers_group),
            self._let_in_each_other("Jobs", self.jobs_group),
        ]
        self.endpoints = [
            self._interface("Runtime", "sagemaker.runtime", self._invoke()),
            self._interface("Parameters", "ssm", self._pointers()),
            self._interface("SageMaker", "sagemaker.api", *self._versions_and_jobs(), *self._rollouts()),
            self._interface("LogLines", "logs", self._read_logs(), _read_job_logs()),
            self._interface("Metrics", "monitoring", _metrics(), self._alarms()),
            self._interface("Messages", "sns", self._tell()),
            self._interface("Executions", "states", self._executions()),
            self._s3(),
        ]

    def _group(self, construct_id: str, description: str, *, egress: list[_Group.EgressProperty]) -> str:
        group = _Group(
            self,
            f"{construct_id}Group",
            vpc_id=self._vpc.vpc_id,
            group_description=f"{self._prefix}: {description}",
            security_group_egress=egress or [_nowhere()],
        )
        return group.attr_group_id

    def _let_in(self, construct_id: str, group_id: str) -> ec2.CfnSecurityGroupIngress:
        """A resource of its own, because groups that name each other could not be created in any order."""
        return ec2.CfnSecurityGroupIngress(
            self,
            f"From{construct_id}",
            group_id=self._endpoints_group,
            source_security_group_id=group_id,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            description="HTTPS",
        )

    def _let_in_each_other(self, construct_id: str, group_id: str) -> ec2.CfnSecurityGroupIngress:
        """The hosts of one training job talk to each other, on ports that they choose."""
        return ec2.CfnSecurityGroupIngress(
            self,
            f"From{construct_id}",
            group_id=group_id,
            source_security_group_id=group_id,
            ip_protocol="tcp",
            from_port=0,
            to_port=65535,
            description="Distributed training",
        )

    def _interface(self, construct_id: str, service: str, *allowed: iam.PolicyStatement) -> ec2.CfnVPCEndpoint:
        return ec2.CfnVPCEndpoint(
            self,
            construct_id,
            vpc_id=self._vpc.vpc_id,
            vpc_endpoint_type="Interface",
            service_name=f"com.amazonaws.{Aws.REGION}.{service}",
            private_dns_enabled=True,
            subnet_ids=list(self._vpc.subnet_ids),
            security_group_ids=[self._endpoints_group],
            policy_document=iam.PolicyDocument(statements=list(allowed)),
        )

    def _s3(self) -> ec2.CfnVPCEndpoint:
        return ec2.CfnVPCEndpoint(
            self,
            "Storage",
            vpc_id=self._vpc.vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{Aws.REGION}.s3",
            route_table_ids=[self._vpc.route_table_id],
            policy_document=iam.PolicyDocument(statements=[_own_buckets(), _answers_to_cloudformation()]),
        )

    def _invoke(self) -> iam.PolicyStatement:
        return _of_this_account("sagemaker:InvokeEndpoint", resource=arn("sagemaker", f"endpoint/{self._prefix}-*"))

    def _pointers(self) -> iam.PolicyStatement:
        parameters = arn("ssm", f"parameter/{self._prefix}/*")
        return _of_this_account("ssm:GetParameter", "ssm:PutParameter", resource=parameters)

    def _versions_and_jobs(self) -> list[iam.PolicyStatement]:
        jobs = ("sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob")
        versions = arn("sagemaker", f"model-package/{self._prefix}-*")
        return [
            _of_this_account(*jobs, resource=arn("sagemaker", f"processing-job/{self._prefix}-*")),
            _of_this_account("sagemaker:DescribeModelPackage", resource=versions),
        ]

    def _rollouts(self) -> list[iam.PolicyStatement]:
        """What a retraining loop does with versions, and with the endpoint and what it serves from."""
        allowed = {
            "model-package": ("CreateModelPackage", "UpdateModelPackage"),
            "model-package-group": ("CreateModelPackage",),
            "model": ("CreateModel", "DeleteModel"),
            "endpoint-config": ("CreateEndpointConfig", "DeleteEndpointConfig", "UpdateEndpoint"),
            "endpoint": ("DescribeEndpoint", "UpdateEndpoint"),
            "training-job": ("StopTrainingJob",),
            "processing-job": ("StopProcessingJob",),
        }
        ours = [
            _of_this_account(
                *(f"sagemaker:{action}" for action in actions), resource=arn("sagemaker", f"{kind}/{self._prefix}-*")
            )
            for kind, actions in allowed.items()
        ]
        # CloudFormation names what serves before the first promotion; lists have no resource.
        return [*ours, _of_this_account(*READ_OF_ANY_NAME, resource="*")]

    def _read_logs(self) -> iam.PolicyStatement:
        return _of_this_account("logs:FilterLogEvents", resource=arn("logs", f"log-group:{self._prefix}-*"))

    def _alarms(self) -> iam.PolicyStatement:
        read = ("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms")
        return _of_this_account(*read, resource=arn("cloudwatch", f"alarm:{self._prefix}-*"))

    def _tell(self) -> iam.PolicyStatement:
        return _of_this_account("sns:Publish", resource=arn("sns", f"{self._prefix}-*"))

    def _executions(self) -> iam.PolicyStatement:
        """Whether a run still runs; and one that puts the champion back."""
        return _of_this_account(
            "states:DescribeExecution",
            "states:StartExecution",
            resource=arn("states", f"*:{self._prefix}-*"),
        )


def _read_job_logs() -> iam.PolicyStatement:
    """Of SageMaker's jobs, whose groups all of an account share; which job's, each role's own policy says."""
    groups = arn("logs", "log-group:/aws/sagemaker/*")
    return _of_this_account("logs:DescribeLogStreams", "logs:GetLogEvents", resource=groups)


def _metrics() -> iam.PolicyStatement:
    """Metrics have no resources; which namespace may be written, each role's own policy says."""
    return _of_this_account("cloudwatch:GetMetricData", "cloudwatch:PutMetricData", resource="*")


def _https(**destination: str) -> _Group.EgressProperty:
    return _Group.EgressProperty(ip_protocol="tcp", from_port=HTTPS, to_port=HTTPS, description="HTTPS", **destination)


def _to_s3(settings: PlatformSettings) -> _Group.EgressProperty:
    prefix_list = settings.vpc.s3_prefix_list
    if prefix_list is not None:
        return _https(destination_prefix_list_id=prefix_list)
    return _https(cidr_ip="0.0.0.0/0")  # of which the routes know no other part than S3


def _within(cidr: str) -> _Group.EgressProperty:
    """Hosts of the same VPC; each group says who is let in."""
    return _Group.EgressProperty(
        ip_protocol="tcp", from_port=0, to_port=65535, cidr_ip=cidr, description="Distributed training"
    )


def _nowhere() -> _Group.EgressProperty:
    """A rule that allows nothing that exists: a group without a rule would be allowed everything."""
    return _Group.EgressProperty(ip_protocol="icmp", from_port=252, to_port=86, cidr_ip="255.255.255.255/32")


def _of_this_account(*actions: str, resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=[resource],
        conditions={"StringEquals": {"aws:PrincipalAccount": Aws.ACCOUNT_ID}},
    )


def _own_buckets() -> iam.PolicyStatement:
    """Objects of this account's buckets; which of them, each role's own policy says."""
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
        resources=["*"],
        conditions={"StringEquals": {"s3:ResourceAccount": Aws.ACCOUNT_ID}},
    )


def _answers_to_cloudformation() -> iam.PolicyStatement:
    """Custom resources answer with a presigned URL of a bucket of AWS's, whose name has the region without hyphens."""
    region = Fn.join("", Fn.split("-", Aws.REGION))
    bucket = f"arn:{Aws.PARTITION}:s3:::cloudformation-custom-resource-response-{region}"
    return iam.PolicyStatement(principals=[iam.AnyPrincipal()], actions=["s3:PutObject"], resources=[f"{bucket}/*"])
