"""Records in the words of CloudFormation's answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from local.deploy.documents import Json, text
from local.deploy.state import StackState, Status
from local.services.cloudformation.change_sets import ChangeSet
from local.services.cloudformation.events import EventLog, LoggedEvent
from local.services.cloudformation.templates import needed_capabilities

_NOT_CHECKED = {"StackDriftStatus": "NOT_CHECKED"}
_RESOURCE_NOT_CHECKED = {"StackResourceDriftStatus": "NOT_CHECKED"}


def described_stack(state: StackState, events: EventLog) -> dict[str, Json]:
    """A stack as DescribeStacks gives it."""
    details = state.details
    return {
        **stack_names(state),
        "ChangeSetId": details.change_set_id or None,
        "Description": state.template.get("Description"),
        "Parameters": parameters(details.parameters, details.resolved, state.template) or None,
        **_times(state),
        "RollbackConfiguration": {},
        **stack_status(state, events),
        "DisableRollback": details.disables_rollback,
        "NotificationARNs": list(details.notification_arns),
        "Capabilities": list(details.capabilities) or None,
        "Outputs": list(_outputs(state)) or None,
        "RoleARN": details.role_arn or None,
        "Tags": tag_list(details.tags),
        "EnableTerminationProtection": details.is_protected,
        "DriftInformation": _NOT_CHECKED,
    }


def summarised_stack(state: StackState, events: EventLog) -> dict[str, Json]:
    """A stack as ListStacks gives it."""
    return {
        **stack_names(state),
        "TemplateDescription": state.template.get("Description"),
        **_times(state),
        **stack_status(state, events),
        "DriftInformation": _NOT_CHECKED,
    }


def stack_names(state: StackState) -> dict[str, str]:
    """A stack's id and name."""
    return {"StackId": state.stack_id, "StackName": state.name}


def stack_status(state: StackState, events: EventLog) -> dict[str, Json]:
    """A stack's status, and why it has it."""
    event = events.last_of_stack(state.stack_id, state.status)
    return {"StackStatus": state.status.value, "StackStatusReason": (event.reason if event else "") or None}


def _times(state: StackState) -> dict[str, Json]:
    details = state.details
    return {
        "CreationTime": details.created_at,
        "LastUpdatedTime": details.updated_at or None,
        "DeletionTime": details.deleted_at or None,
    }


def parameters(
    values: Mapping[str, str], resolved: Mapping[str, str], template: Mapping[str, Json]
) -> list[dict[str, Json]]:
    """Parameters with their values; one that must not be shown has stars."""
    declared: Mapping[str, Json] = template.get("Parameters", {})
    return [
        {
            "ParameterKey": name,
            "ParameterValue": "****" if text(declared.get(name, {}).get("NoEcho", False)) == "true" else value,
            "ResolvedValue": resolved.get(name),
        }
        for name, value in values.items()
    ]


def _outputs(state: StackState) -> Iterator[dict[str, Json]]:
    exports = {value: name for name, value in state.exports.items()}
    for name, value in state.outputs.items():
        declaration = state.template.get("Outputs", {}).get(name, {})
        yield {
            "OutputKey": name,
            "OutputValue": value,
            "Description": declaration.get("Description"),
            "ExportName": exports.get(value) if "Export" in declaration else None,
        }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as CloudFormation lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def described_event(event: LoggedEvent) -> dict[str, Json]:
    """An event as DescribeStackEvents gives it."""
    return {
        "StackId": event.stack_id,
        "EventId": event.event_id,
        "StackName": event.stack_name,
        "OperationId": event.operation_id or None,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.resource_type,
        "Timestamp": event.time,
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason or None,
        "ClientRequestToken": event.token or None,
    }


def operation_event(event: LoggedEvent) -> dict[str, Json]:
    """An event as DescribeEvents gives it."""
    shared = described_event(event)
    del shared["StackName"]
    return {**shared, "EventType": "PROVISIONING_ERROR" if event.is_failure else "STACK_EVENT"}


def described_resources(state: StackState, events: EventLog) -> list[dict[str, Json]]:
    """The facts of each resource that DescribeStackResources and ListStackResources share."""
    return [
        {
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id or None,
            "ResourceType": event.resource_type,
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason or None,
            "Timestamp": event.time,
            "DriftInformation": _RESOURCE_NOT_CHECKED,
        }
        for event in _last_events(state, events)
    ]


def _last_events(state: StackState, events: EventLog) -> Iterator[LoggedEvent]:
    """The newest event of each resource; where a stack is at rest, of those that it has."""
    newest: dict[str, LoggedEvent] = {}
    for event in events.of(state.stack_id):
        resource = state.resources.get(event.logical_id)
        is_former = resource is not None and event.physical_id not in ("", resource.physical_id)
        if not event.is_of_stack and not is_former:
            newest[event.logical_id] = event
    is_at_rest = not state.status.is_under_way and state.status is not Status.DELETE_COMPLETE
    return (event for event in newest.values() if not is_at_rest or event.logical_id in state.resources)


def described_change_set(change_set: ChangeSet) -> dict[str, Json]:
    """A change set as ListChangeSets gives it."""
    return {
        "StackId": change_set.stack_id,
        "StackName": change_set.request.stack_name,
        "ChangeSetId": change_set.change_set_id,
        "ChangeSetName": change_set.name,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.reason or None,
        "CreationTime": change_set.created_at,
        "Description": change_set.description or None,
        "IncludeNestedStacks": change_set.includes_nested_stacks,
        "ImportExistingResources": change_set.imports_existing,
    }


def template_summary(template: Mapping[str, Json]) -> dict[str, Json]:
    """What GetTemplateSummary and ValidateTemplate say of a template, except for the constraints of parameters."""
    needed = needed_capabilities(template)
    iam = [name for name, entry in template["Resources"].items() if entry["Type"].startswith("AWS::IAM::")]
    return {
        "Parameters": [_declared(name, entry) for name, entry in template.get("Parameters", {}).items()],
        "Description": template.get("Description"),
        "Capabilities": needed or None,
        "CapabilitiesReason": f"The following resource(s) require capabilities: [{', '.join(iam)}]" if needed else None,
    }


def _declared(name: str, declaration: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "ParameterKey": name,
        "DefaultValue": text(declaration["Default"]) if "Default" in declaration else None,
        "NoEcho": text(declaration.get("NoEcho", False)) == "true",
        "Description": declaration.get("Description"),
    }
