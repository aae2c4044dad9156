"""Which AWS operations the local cloud answers, and how: `real`, or `simulated` with one sentence on the difference.

An operation that is not listed is refused by name. `real` means that what is written can be read back, takes effect
where AWS would let it take effect here, and fails in the same cases; quotas, delays and permissions are elsewhere.
ARCHITECTURE.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

REAL: Final = "real"


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """One service's operations: those that are real, and what differs in those that are simulated."""

    real: frozenset[str] = frozenset()
    simulated: Mapping[str, str] = field(default_factory=dict)

    def how(self, operation: str) -> str | None:
        """`real`, `simulated: ...`, or None where it is refused."""
        if operation in self.real:
            return REAL
        sentence = self.simulated.get(operation)
        return None if sentence is None else f"simulated: {sentence}"

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self.real, *self.simulated}))


def _calls(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _each(names: str, sentence: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), sentence)


API_TABLE: Mapping[str, ServiceTable] = {
    "apigateway": ServiceTable(
        real=_calls("""
            CreateApiKey CreateDeployment CreateModel CreateRequestValidator CreateResource
            CreateRestApi CreateStage CreateUsagePlan CreateUsagePlanKey DeleteApiKey DeleteAuthorizer
            DeleteDeployment DeleteGatewayResponse DeleteIntegration DeleteIntegrationResponse DeleteMethod
            DeleteMethodResponse DeleteModel DeleteRequestValidator DeleteResource DeleteRestApi DeleteStage
            DeleteUsagePlan DeleteUsagePlanKey GetAccount GetApiKey GetApiKeys GetAuthorizer GetAuthorizers
            GetDeployment
            GetDeployments GetGatewayResponse GetGatewayResponses GetIntegration GetIntegrationResponse GetMethod
            GetMethodResponse GetModel GetModels GetRequestValidator GetRequestValidators GetResource GetResources
            GetRestApi GetRestApis GetStage GetStages GetTags GetUsagePlan GetUsagePlanKey GetUsagePlanKeys
            GetUsagePlans PutGatewayResponse PutIntegration PutIntegrationResponse PutMethod PutMethodResponse
            TagResource UntagResource UpdateApiKey UpdateRequestValidator UpdateRestApi UpdateStage
            UpdateUsagePlan
        """),
        simulated={
            **_each(
                "CreateAuthorizer UpdateAuthorizer",
                "user pools judge tokens; an API with a method that uses another kind is refused when it is deployed",
            ),
            "UpdateAccount": "the logging role is used; a stage that logs can be made before there is one",
        },
    ),
    "application-autoscaling": ServiceTable(
        simulated=_each(
            """
            DeleteScalingPolicy DeleteScheduledAction DeregisterScalableTarget DescribeScalableTargets
            DescribeScalingPolicies DescribeScheduledActions PutScalingPolicy PutScheduledAction
            RegisterScalableTarget
            """,
            "targets and policies are stored; nothing scales by itself",
        ),
    ),
    "cloudformation": ServiceTable(
        real=_calls("""
            ContinueUpdateRollback DeleteChangeSet DeleteStack DescribeStackEvents DescribeStackResource
            DescribeStackResources DescribeStacks GetTemplate GetTemplateSummary ListChangeSets ListExports ListImports
            ListStackResources ListStacks RollbackStack UpdateTerminationProtection ValidateTemplate
        """),
        simulated={
            **_each(
                "CreateStack ExecuteChangeSet UpdateStack",
                "by this machine's engine, one resource at a time; a stack policy and rollback triggers are refused, "
                "notifications are not sent",
            ),
            "CreateChangeSet": "planned from resolved values; what exists is never imported, drift is never looked for",
            "DescribeChangeSet": "one cause a property, the first that its expression names",
            "DescribeEvents": "a change set has no events of its own: it is planned in one piece",
        },
    ),
    "cloudwatch": ServiceTable(
        real=_calls("""
            DeleteAlarms DeleteDashboards DescribeAlarmHistory DescribeAlarms DescribeAlarmsForMetric
            DisableAlarmActions EnableAlarmActions GetDashboard GetMetricStatistics ListDashboards ListMetrics
            ListTagsForResource PutCompositeAlarm PutDashboard PutMetricData SetAlarmState TagResource UntagResource
        """),
        simulated={
            "PutMetricAlarm": "anomaly detection, Metrics Insights and actions other than topics and functions are "
            "refused by name",
            "GetMetricData": "anomaly detection and Metrics Insights are refused by name",
        },
    ),
    "cognito-idp": ServiceTable(
        real=_calls("""
            AdminAddUserToGroup AdminConfirmSignUp AdminCreateUser AdminDeleteUser AdminGetUser AdminInitiateAuth
            AdminListGroupsForUser AdminRemoveUserFromGroup AdminRespondToAuthChallenge AdminSetUserPassword
            CreateGroup CreateResourceServer CreateUserPool CreateUserPoolClient DeleteGroup DeleteUserPool
            DeleteUserPoolClient DescribeResourceServer DescribeUserPool DescribeUserPoolClient GetGroup GetUser
            InitiateAuth ListGroups ListResourceServers ListUserPoolClients ListUserPools ListUsers ListUsersInGroup
            RespondToAuthChallenge UpdateUserPool UpdateUserPoolClient
        """),
        simulated=_each(
            "CreateUserPoolDomain DeleteUserPoolDomain DescribeUserPoolDomain",
            "stored; there is no hosted sign-in page",
        ),
    ),
    "dynamodb": ServiceTable(
        real=_calls("""
            BatchGetItem BatchWriteItem CreateTable DeleteItem DeleteTable DescribeTable DescribeTimeToLive GetItem
            ListTables ListTagsOfResource PutItem Query Scan TagResource TransactGetItems TransactWriteItems
            UntagResource UpdateItem UpdateTable
        """),
        simulated={
            **_each("DescribeContinuousBackups UpdateContinuousBackups", "stored; no backup is made"),
            "UpdateTimeToLive": "stored; items stay when their time is over",
        },
    ),
    "ecr": ServiceTable(
        real=_calls("""
            CreateRepository DeleteLifecyclePolicy DeleteRepository DeleteRepositoryPolicy DescribeRepositories
            GetLifecyclePolicy GetRepositoryPolicy ListTagsForResource PutImageTagMutability TagResource UntagResource
        """),
        simulated={
            **_each(
                "BatchDeleteImage BatchGetImage DescribeImages ListImages",
                "an image is there if its build context is among the cloud's own or in the project's cdk.out",
            ),
            "GetAuthorizationToken": "a token of no use: nothing can be pushed or pulled",
            "PutImage": "a manifest is stored; only an image whose build context is here can run",
            **_each("PutImageScanningConfiguration", "stored; nothing is scanned"),
            **_each("PutLifecyclePolicy", "stored; no image expires"),
            **_each("SetRepositoryPolicy", "stored; not enforced"),
        },
    ),
    "ec2": ServiceTable(
        real=_calls("CreateTags DeleteTags DescribeAvailabilityZones DescribeTags"),
        simulated={
            **_each(
                """
                AssociateRouteTable AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateRouteTable
                CreateSecurityGroup CreateSubnet CreateVpc DeleteRouteTable DeleteSecurityGroup DeleteSubnet DeleteVpc
                DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroupRules DescribeSecurityGroups
                DescribeSubnets DescribeVpcAttribute DescribeVpcs DisassociateRouteTable ModifySubnetAttribute
                ModifyVpcAttribute RevokeSecurityGroupEgress RevokeSecurityGroupIngress
                UpdateSecurityGroupRuleDescriptionsIngress
                """,
                "stored; no traffic is isolated here",
            ),
            **_each(
                "CreateVpcEndpoint DeleteVpcEndpoints DescribeVpcEndpoints ModifyVpcEndpoint",
                "stored; every service is reached at the one address of this machine",
            ),
            **_each("CreateFlowLogs DeleteFlowLogs DescribeFlowLogs", "stored; nothing is logged"),
        },
    ),
    "events": ServiceTable(
        real=_calls("""
            CreateEventBus DeleteEventBus DeleteRule DescribeEventBus DescribeRule DisableRule EnableRule
            ListEventBuses ListRuleNamesByTarget ListRules ListTagsForResource ListTargetsByRule PutPermission
            RemovePermission RemoveTargets TagResource TestEventPattern UntagResource
        """),
        simulated={
            "PutEvents": "delivered at once; deliveries that wait for another attempt are lost when the cloud ends",
            "PutRule": "schedules fire on the cloud's time; what was due while the cloud was down is not made up",
            "PutTargets": "functions, topics, queues, log groups, state machines and buses; another is refused",
        },
    ),
    "iam": ServiceTable(
        real=_calls("""
            AttachRolePolicy AttachUserPolicy CreateAccessKey CreatePolicy CreatePolicyVersion CreateRole CreateUser
            DeleteAccessKey DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary
            DeleteRolePolicy DeleteUser DeleteUserPolicy DetachRolePolicy DetachUserPolicy GetPolicy
            GetPolicyVersion GetRole GetRolePolicy GetUser GetUserPolicy ListAccessKeys ListAttachedRolePolicies
            ListAttachedUserPolicies ListEntitiesForPolicy ListInstanceProfilesForRole ListPolicies ListPolicyTags
            ListPolicyVersions ListRolePolicies ListRoleTags ListRoles ListUserPolicies ListUsers
            PutRolePermissionsBoundary PutRolePolicy PutUserPolicy SetDefaultPolicyVersion TagPolicy TagRole
            UntagPolicy UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription
        """),
    ),
    "kms": ServiceTable(
        real=_calls("""
            CancelKeyDeletion CreateAlias CreateKey Decrypt DeleteAlias DescribeKey DisableKey Encrypt EnableKey
            GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateRandom ListAliases ListKeys ListResourceTags
            ReEncrypt ScheduleKeyDeletion TagResource UntagResource UpdateAlias UpdateKeyDescription
            GetKeyPolicy ListKeyPolicies PutKeyPolicy
        """),
        simulated={
            **_each("CreateGrant ListGrants RetireGrant RevokeGrant", "stored; a grant lets nobody in"),
            **_each(
                "DisableKeyRotation EnableKeyRotation GetKeyRotationStatus",
                "stored; the key's material stays the same",
            ),
        },
    ),
    "lambda": ServiceTable(
        real=_calls("""
            AddPermission CreateAlias CreateFunction DeleteAlias DeleteEventSourceMapping
            DeleteFunction DeleteFunctionConcurrency GetAlias GetEventSourceMapping
            GetFunction GetFunctionConcurrency GetFunctionConfiguration GetFunctionEventInvokeConfig GetPolicy
            ListAliases ListEventSourceMappings ListFunctionEventInvokeConfigs ListFunctions ListTags
            ListVersionsByFunction PublishVersion PutFunctionConcurrency
            RemovePermission TagResource UntagResource UpdateAlias UpdateEventSourceMapping UpdateFunctionCode
            UpdateFunctionConfiguration
        """),
        simulated={
            "CreateEventSourceMapping": "a queue's messages are handed over as they arrive, within the sender's call",
            "Invoke": (
                "the real code and runtime in a process of this machine, killed over its memory, frozen between calls; "
                "CPU and the size of /tmp are not limited; calls beyond 8 at a time of one function wait"
            ),
            **_each(
                "DeleteFunctionEventInvokeConfig PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig",
                "of the function as a whole; one of a version or an alias is refused by name",
            ),
            **_each(
                "GetLayerVersion ListLayerVersions ListLayers PublishLayerVersion",
                "a layer lies in a folder on Python's path; there is no /opt, and its zip cannot be fetched",
            ),
            "DeleteLayerVersion": "a function that uses the version is not run any more",
        },
    ),
    "logs": ServiceTable(
        real=_calls("""
            CreateLogGroup CreateLogStream DeleteLogGroup DeleteLogStream DeleteMetricFilter DeleteResourcePolicy
            DescribeLogGroups DescribeLogStreams DescribeMetricFilters DescribeResourcePolicies FilterLogEvents
            GetLogEvents ListTagsForResource PutLogEvents PutMetricFilter PutResourcePolicy TagLogGroup TagResource
            UntagLogGroup UntagResource
        """),
        simulated={
            **_each("DeleteRetentionPolicy PutRetentionPolicy", "stored; nothing is ever deleted"),
            **_each("AssociateKmsKey DisassociateKmsKey", "stored; nothing is encrypted"),
        },
    ),
    "s3": ServiceTable(
        real=_calls("""
            AbortMultipartUpload CompleteMultipartUpload CopyObject CreateBucket CreateMultipartUpload DeleteBucket
            DeleteBucketCors DeleteBucketPolicy DeleteBucketTagging DeleteObject DeleteObjectTagging PutBucketPolicy
            GetBucketCors GetBucketLocation GetBucketPolicy GetBucketTagging GetBucketVersioning GetObject
            GetObjectAttributes GetObjectTagging HeadBucket HeadObject ListBuckets ListMultipartUploads
            ListObjectVersions ListObjects ListObjectsV2 ListParts PutBucketCors PutBucketTagging
            PutBucketVersioning PutObject PutObjectTagging UploadPart UploadPartCopy
        """),
        simulated={
            "DeleteObjects": "refused as a whole where AWS refuses key by key",
            **_each(
                "DeleteBucketEncryption GetBucketEncryption PutBucketEncryption",
                "stored; objects are not encrypted",
            ),
            **_each(
                "DeleteBucketLifecycle GetBucketLifecycleConfiguration PutBucketLifecycleConfiguration",
                "stored; nothing expires",
            ),
            **_each("GetBucketLogging PutBucketLogging", "stored; no access log is written"),
            **_each("DeleteBucketOwnershipControls GetBucketOwnershipControls PutBucketOwnershipControls", "stored"),
            **_each(
                "DeletePublicAccessBlock GetPublicAccessBlock PutPublicAccessBlock",
                "stored; the local cloud listens on loopback only",
            ),
            **_each("GetBucketAcl GetObjectAcl PutBucketAcl PutObjectAcl", "stored; not enforced"),
            **_each(
                "GetBucketNotificationConfiguration PutBucketNotificationConfiguration",
                "to functions, queues, topics and EventBridge, without filters by metadata",
            ),
            **_each("GetBucketAccelerateConfiguration GetBucketReplication GetBucketWebsite", "always the default"),
        },
    ),
    "sagemaker": ServiceTable(
        real=_calls("""
            AddTags CreateModel CreateModelPackageGroup DeleteEndpointConfig DeleteModel DeleteModelPackage
            DeleteModelPackageGroup DeleteTags DeleteTrainingJob DescribeEndpointConfig DescribeModel
            DescribeModelPackage DescribeModelPackageGroup DescribeProcessingJob DescribeTrainingJob
            ListEndpointConfigs ListModelPackageGroups ListModelPackages ListModels ListProcessingJobs ListTags
            ListTrainingJobs StopProcessingJob StopTrainingJob UpdateModelPackage
        """),
        simulated={
            **_each(
                "CreateEndpoint DeleteEndpoint DescribeEndpoint ListEndpoints",
                "one model server process a variant on this machine, whatever the instance type and count",
            ),
            "UpdateEndpoint": (
                "two fleets of one process a variant, bakes on the cloud's time, alarms that roll back; a step is a "
                "share of the traffic, in a rolling update too, which so keeps the whole old fleet to its end"
            ),
            "CreateEndpointConfig": "data is captured; metrics and the disks' encryption have no effect",
            "UpdateEndpointWeightsAndCapacities": "weights are followed; counts are stored",
            "CreateModelPackage": "a version is Completed at once; nothing is validated or scanned",
            "CreateProcessingJob": (
                "a package's image in one process of this machine, or AWS's Spark image as the PySpark that is "
                "installed here, with two threads whatever the instances; one job at a time; continuous outputs, data "
                "sets, feature stores and several instances without Spark are refused by name"
            ),
            "CreateTrainingJob": (
                "the image's train verb in a process of this machine for each instance, whatever its type; two jobs "
                "at a time; a spot job is interrupted where somebody ends a process; FastFile is copied first, no "
                "metric is published; Pipe mode, file systems, debugger and profiler are refused by name"
            ),
        },
    ),
    "sagemaker-runtime": ServiceTable(
        simulated={
            "InvokeEndpoint": "answered by the model server's process; no instance's latency is imitated",
            "InvokeEndpointWithResponseStream": "the whole answer as one part, once the model server has given it",
        }
    ),
    "scheduler": ServiceTable(
        simulated=_each(
            "CreateSchedule CreateScheduleGroup DeleteSchedule DeleteScheduleGroup GetSchedule GetScheduleGroup "
            "ListScheduleGroups ListSchedules ListTagsForResource TagResource UntagResource UpdateSchedule",
            "stored; no schedule fires by itself",
        )
    ),
    "secretsmanager": ServiceTable(
        real=_calls("""
            CreateSecret DeleteSecret DescribeSecret GetRandomPassword GetResourcePolicy GetSecretValue
            ListSecretVersionIds ListSecrets PutSecretValue RestoreSecret TagResource UntagResource UpdateSecret
            UpdateSecretVersionStage
        """),
        simulated=_each("DeleteResourcePolicy PutResourcePolicy", "stored; not enforced"),
    ),
    "sns": ServiceTable(
        real=_calls("""
            CreateTopic DeleteTopic GetSubscriptionAttributes GetTopicAttributes ListSubscriptions
            ListSubscriptionsByTopic ListTagsForResource ListTopics SetSubscriptionAttributes SetTopicAttributes
            TagResource Unsubscribe UntagResource
        """),
        simulated={
            **_each("Publish PublishBatch", "delivered to queues, functions and loopback addresses; no mail, no SMS"),
            "Subscribe": "confirmed at once, without a confirmation message",
            **_each("AddPermission RemovePermission", "stored; not enforced"),
        },
    ),
    "sqs": ServiceTable(
        real=_calls("""
            ChangeMessageVisibility ChangeMessageVisibilityBatch CreateQueue DeleteMessage DeleteMessageBatch
            DeleteQueue GetQueueAttributes GetQueueUrl ListDeadLetterSourceQueues ListQueueTags ListQueues
            PurgeQueue ReceiveMessage SendMessage SendMessageBatch SetQueueAttributes TagQueue UntagQueue
        """),
        simulated=_each("AddPermission RemovePermission", "stored; not enforced"),
    ),
    "ssm": ServiceTable(
        real=_calls("""
            AddTagsToResource DeleteParameter DeleteParameters DescribeParameters GetParameter GetParameterHistory
            GetParameters GetParametersByPath LabelParameterVersion ListTagsForResource PutParameter
            RemoveTagsFromResource UnlabelParameterVersion
        """),
    ),
    "stepfunctions": ServiceTable(
        real=_calls("""
            DescribeExecution DescribeStateMachine DescribeStateMachineForExecution ListExecutions ListStateMachines
            ListTagsForResource SendTaskFailure SendTaskHeartbeat SendTaskSuccess StopExecution TagResource
            UntagResource
        """),
        simulated={
            **_each(
                "CreateStateMachine UpdateStateMachine ValidateStateMachineDefinition",
                "JSONata and Standard machines; JSONPath, distributed maps, activities, versions and integrations "
                "other than functions, SageMaker, SNS, SQS, EventBridge and the SDK's are refused by name",
            ),
            "DeleteStateMachine": "what runs is aborted at once, not with its next step",
            "GetExecutionHistory": "a failed branch's neighbours end without an event of their own",
            "StartExecution": "waits go by the cloud's time, a task's timeout by the machine's; nothing is redriven",
        },
    ),
    "sts": ServiceTable(real=_calls("AssumeRole GetAccessKeyInfo GetCallerIdentity GetSessionToken")),
    "wafv2": ServiceTable(
        simulated=_each(
            """
            AssociateWebACL CreateWebACL DeleteWebACL DisassociateWebACL GetWebACL GetWebACLForResource
            ListTagsForResource ListWebACLs TagResource UntagResource UpdateWebACL
            """,
            "stored; no request is judged by it",
        ),
    ),
}
