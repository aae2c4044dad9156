"""CloudFormation's operations as the cloud port calls them: arguments in, an answer or a refusal out.

Each method is an operation by its name in snake case. They block on documents and other services, so that they run in
threads.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from botocore import xform_name

from local.api_calls import ApiCall, ApiRequest
from local.api_errors import ApiRefusal, ApiResponse
from local.cloud_port import Handler
from local.deploy.assembly import ACCOUNT, REGION
from local.deploy.documents import Json, compact, text, words
from local.deploy.scope import importers
from local.deploy.state import StackState, Status
from local.services.cloudformation.absent import refuse_absent
from local.services.cloudformation.answers import (
    described_change_set,
    described_event,
    described_resources,
    described_stack,
    operation_event,
    parameters,
    summarised_stack,
    tag_list,
    template_summary,
)
from local.services.cloudformation.change_sets import ChangeSet, StackRequest
from local.services.cloudformation.changes import without_values
from local.services.cloudformation.operations import StackOperations
from local.services.cloudformation.query import read_form, service_model, write_result
from local.services.cloudformation.refusals import (
    Refused,
    already_exists,
    invalid,
    no_change_set,
    no_stack,
    no_stack_named,
)
from local.services.cloudformation.templates import (
    check_capabilities,
    check_types,
    check_values,
    parameter_texts,
    parse,
    template_text,
)
from local.services.pages import Pages

Arguments: TypeAlias = Mapping[str, Json]
Result: TypeAlias = dict[str, Json]

THREADS = 16
PAGE_EVENTS = 100
PAGE = 100
PAGES = Pages("NextToken", refusal=lambda _token: invalid("Invalid NextToken"))
OPERATIONS = words("""
    ContinueUpdateRollback CreateChangeSet CreateStack DeleteChangeSet DeleteStack DescribeChangeSet DescribeEvents
    DescribeStackEvents DescribeStackResource DescribeStackResources DescribeStacks ExecuteChangeSet GetTemplate
    GetTemplateSummary ListChangeSets ListExports ListImports ListStackResources ListStacks RollbackStack UpdateStack
    UpdateTerminationProtection ValidateTemplate
""")


@dataclass
class CloudFormationApi:
    """Answers every operation of OPERATIONS."""

    operations: StackOperations
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="cloudformation-api")
    )

    def handlers(self) -> dict[ApiCall, Handler]:
        """What answers each operation at the cloud port."""
        return {ApiCall("cloudformation", name): self._handle for name in OPERATIONS}

    def close(self) -> None:
        """Answers no more calls."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _handle(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.answer, call, request)

    def answer(self, call: ApiCall, request: ApiRequest) -> ApiResponse | ApiRefusal:
        """Answers a call in the caller's thread."""
        operation = service_model("cloudformation").operation_model(call.operation)
        method: Callable[[Arguments], Result] = getattr(self, xform_name(call.operation))
        try:
            arguments = read_form(request, operation)
            refuse_absent(arguments)
            result = method(arguments)
        except Refused as refused:
            return refused.refusal
        return write_result(operation, result, request_id=str(uuid.uuid4()))

    # Change sets

    def create_change_set(self, arguments: Arguments) -> Result:
        """Makes a change set, and its stack where there is none."""
        state = self._stack_to_change(arguments)
        request = self._request(arguments, state)
        known = self._known_change_set(arguments, state)
        if known is not None:
            return {"Id": known.change_set_id, "StackId": known.stack_id}
        foresight = self.operations.foresee(request)
        state = state or self.operations.reserve(request.stack_name, token=request.token)
        change_set = self.operations.prepare(self._new_change_set(arguments, request, state), foresight)
        return {"Id": change_set.change_set_id, "StackId": state.stack_id}

    def _known_change_set(self, arguments: Arguments, state: StackState | None) -> ChangeSet | None:
        """The change set of a call that is made again; another one of the same name is refused."""
        find = self.operations.records.change_sets.find
        known = None if state is None else find(arguments["ChangeSetName"], stack_id=state.stack_id)
        if known is not None and known.client_token != arguments.get("ClientToken", ""):
            raise Refused("AlreadyExistsException", f"ChangeSet {known.name} already exists")
        return known

    def _new_change_set(self, arguments: Arguments, request: StackRequest, state: StackState) -> ChangeSet:
        name = arguments["ChangeSetName"]
        return ChangeSet(
            change_set_id=f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/{uuid.uuid4()}",
            name=name,
            stack_id=state.stack_id,
            request=request,
            created_at=self.operations.clock.now().isoformat(),
            kind="CREATE" if state.status is Status.REVIEW_IN_PROGRESS else "UPDATE",
            description=arguments.get("Description", ""),
            client_token=arguments.get("ClientToken", ""),
            includes_nested_stacks=arguments.get("IncludeNestedStacks", False),
            imports_existing=arguments.get("ImportExistingResources", False),
            on_failure=arguments.get("OnStackFailure", ""),
        )

    def _stack_to_change(self, arguments: Arguments) -> StackState | None:
        kind, name_or_id = arguments.get("ChangeSetType", "UPDATE"), arguments["StackName"]
        state = self.operations.state(name_or_id)
        if kind == "CREATE":
            if state is not None and state.status is not Status.REVIEW_IN_PROGRESS:
                raise already_exists(state.name)
            return state
        if state is None:
            raise no_stack_named(name_or_id)
        self.operations.check_changeable(state)
        return state

    def describe_change_set(self, arguments: Arguments) -> Result:
        """A change set with a page of its changes."""
        change_set = self._change_set(arguments)
        shows_values = arguments.get("IncludePropertyValues", False)
        page, token = PAGES.cut(change_set.changes, arguments, size=PAGE)
        request = change_set.request
        return {
            **described_change_set(change_set),
            "Parameters": parameters(request.parameters, change_set.resolved, parse(request.template_text)) or None,
            "NotificationARNs": list(request.notification_arns),
            "RollbackConfiguration": {},
            "Capabilities": list(request.capabilities),
            "Tags": tag_list(request.tags) or None,
            "Changes": [change if shows_values else without_values(change) for change in page],
            "OnStackFailure": change_set.on_failure or None,
            **token,
        }

    def list_change_sets(self, arguments: Arguments) -> Result:
        """The change sets of a stack."""
        state = self._existing(arguments["StackName"])
        page, token = PAGES.cut(self.operations.records.change_sets.of(state.stack_id), arguments, size=PAGE)
        return {"Summaries": [described_change_set(change_set) for change_set in page], **token}

    def delete_change_set(self, arguments: Arguments) -> Result:
        """Forgets a change set; one that is not there counts as forgotten."""
        change_set = self._found_change_set(arguments)
        if change_set is not None:
            if change_set.execution_status == "EXECUTE_IN_PROGRESS":
                raise _wrong_change_set(change_set)
            self.operations.records.change_sets.forget(change_set)
        return {}

    def execute_change_set(self, arguments: Arguments) -> Result:
        """Begins to carry out a change set."""
        change_set = self._change_set(arguments)
        if change_set.execution_status != "AVAILABLE":
            raise _wrong_change_set(change_set)
        request = replace(
            change_set.request,
            token=arguments.get("ClientRequestToken", ""),
            disables_rollback=arguments.get("DisableRollback", change_set.request.disables_rollback),
        )
        self.operations.execute(request, change_set=change_set)
        return {}

    def _change_set(self, arguments: Arguments) -> ChangeSet:
        change_set = self._found_change_set(arguments)
        if change_set is None:
            raise no_change_set(arguments["ChangeSetName"])
        return change_set

    def _found_change_set(self, arguments: Arguments) -> ChangeSet | None:
        name = arguments["ChangeSetName"]
        stack_id = None if name.startswith("arn:") else self._existing(arguments["StackName"]).stack_id
        return self.operations.records.change_sets.find(name, stack_id=stack_id)

    # Stacks

    def create_stack(self, arguments: Arguments) -> Result:
        """Begins to create a stack."""
        name = arguments["StackName"]
        if self.operations.state(name) is not None:
            raise already_exists(name)
        request = self._request(arguments, None)
        self.operations.foresee(request)
        self.operations.execute(request)
        return {"StackId": self._existing(name).stack_id}

    def update_stack(self, arguments: Arguments) -> Result:
        """Begins to update a stack."""
        state = self._existing(arguments["StackName"])
        self.operations.check_changeable(state)
        request = self._request(arguments, state)
        if self.operations.nothing_to_do(self.operations.foresee(request), request):
            raise invalid("No updates are to be performed.")
        self.operations.execute(request)
        return {"StackId": state.stack_id}

    def delete_stack(self, arguments: Arguments) -> Result:
        """Begins to delete a stack; one that is not there counts as deleted."""
        state = self.operations.state(arguments["StackName"])
        if state is None or state.status is Status.DELETE_COMPLETE:
            return {}
        if state.details.is_protected:
            raise invalid(f"Stack [{state.name}] cannot be deleted while TerminationProtection is enabled")
        if arguments.get("RetainResources") and state.status is not Status.DELETE_FAILED:
            raise invalid(f"Invalid operation on stack [{state.stack_id}]. RetainResources is for DELETE_FAILED stacks")
        self.operations.delete(
            state,
            role_arn=arguments.get("RoleARN", ""),
            token=arguments.get("ClientRequestToken", ""),
            retain=arguments.get("RetainResources", []),
        )
        return {}

    def describe_stacks(self, arguments: Arguments) -> Result:
        """One stack, or every living one."""
        records = self.operations.records
        if "StackName" in arguments:
            state = self.operations.state(arguments["StackName"])
            if state is None:
                raise no_stack(arguments["StackName"])
            return {"Stacks": [described_stack(state, records.events)]}
        living = [state for state in records.stacks.all() if state.status is not Status.DELETE_COMPLETE]
        page, token = PAGES.cut(living, arguments, size=PAGE)
        return {"Stacks": [described_stack(state, records.events) for state in page], **token}

    def list_stacks(self, arguments: Arguments) -> Result:
        """Every stack there ever was, or those in some states."""
        records, wanted = self.operations.records, arguments.get("StackStatusFilter", [])
        states = [state for state in records.stacks.all() if not wanted or state.status in wanted]
        page, token = PAGES.cut(states, arguments, size=PAGE)
        return {"StackSummaries": [summarised_stack(state, records.events) for state in page], **token}

    def rollback_stack(self, arguments: Arguments) -> Result:
        """Begins to undo what a failed operation without a rollback has left."""
        state = self._existing(arguments["StackName"])
        if state.status not in (Status.CREATE_FAILED, Status.UPDATE_FAILED):
            raise invalid(f"Stack {state.name} is in {state.status} state and can not be rolled back.")
        self._roll_back(state, arguments)
        return {"StackId": state.stack_id}

    def continue_update_rollback(self, arguments: Arguments) -> Result:
        """Begins a rollback again that failed."""
        state = self._existing(arguments["StackName"])
        if state.status is not Status.UPDATE_ROLLBACK_FAILED:
            raise invalid(f"Stack:{state.stack_id} is in {state.status} state and can not continue rollback.")
        self._roll_back(state, arguments)
        return {}

    def _roll_back(self, state: StackState, arguments: Arguments) -> None:
        self.operations.roll_back(
            state,
            role_arn=arguments.get("RoleARN", ""),
            token=arguments.get("ClientRequestToken", ""),
            skip=arguments.get("ResourcesToSkip", []),
        )

    def update_termination_protection(self, arguments: Arguments) -> Result:
        """Whether a stack may be deleted."""
        state = self._existing(arguments["StackName"])
        details = replace(state.details, is_protected=arguments["EnableTerminationProtection"])
        self.operations.records.stacks.save(replace(state, details=details))
        return {"StackId": state.stack_id}

    # What happens, and what there is

    def describe_stack_events(self, arguments: Arguments) -> Result:
        """A stack's events, the newest first."""
        state = self._existing(arguments["StackName"])
        newest_first = self.operations.records.events.of(state.stack_id)[::-1]
        page, token = PAGES.cut(newest_first, arguments, size=PAGE_EVENTS)
        return {"StackEvents": [described_event(event) for event in page], **token}

    def describe_events(self, arguments: Arguments) -> Result:
        """Events by operation, or those of a change set, of which there are none: it is planned in one piece."""
        if "ChangeSetName" in arguments:
            self._change_set(arguments)
            return {"OperationEvents": []}
        state = self._existing(arguments["StackName"])
        events = self.operations.records.events.of(state.stack_id)[::-1]
        only_failed = arguments.get("Filters", {}).get("FailedEvents", False)
        wanted = arguments.get("OperationId")
        found = [
            operation_event(event)
            for event in events
            if wanted in (None, event.operation_id) and (event.is_failure or not only_failed)
        ]
        page, token = PAGES.cut(found, arguments, size=PAGE_EVENTS)
        return {"OperationEvents": page, **token}

    def describe_stack_resources(self, arguments: Arguments) -> Result:
        """A stack's resources, or one of them."""
        state = self._stack_of_resource(arguments)
        names = {"StackName": state.name, "StackId": state.stack_id}
        wanted = arguments.get("LogicalResourceId")
        found = [
            {**names, **resource}
            for resource in described_resources(state, self.operations.records.events)
            if wanted in (None, resource["LogicalResourceId"])
        ]
        if wanted is not None and not found:
            raise _no_resource(wanted, state)
        return {"StackResources": found}

    def describe_stack_resource(self, arguments: Arguments) -> Result:
        """One resource, with its metadata."""
        (resource,) = self.describe_stack_resources(arguments)["StackResources"]
        state = self._existing(arguments["StackName"])
        metadata = state.template.get("Resources", {}).get(arguments["LogicalResourceId"], {}).get("Metadata")
        detail = {**_last_updated(resource), "Metadata": None if metadata is None else compact(metadata)}
        return {"StackResourceDetail": detail}

    def list_stack_resources(self, arguments: Arguments) -> Result:
        """A stack's resources, page by page."""
        state = self._existing(arguments["StackName"])
        resources = described_resources(state, self.operations.records.events)
        page, token = PAGES.cut(resources, arguments, size=PAGE)
        return {"StackResourceSummaries": [_last_updated(resource) for resource in page], **token}

    def get_template(self, arguments: Arguments) -> Result:
        """The text of a stack's or a change set's template, as it was handed in."""
        if "ChangeSetName" in arguments:
            body = self._change_set(arguments).request.template_text
        else:
            body = self._existing(arguments["StackName"]).details.template_text
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self, arguments: Arguments) -> Result:
        """What can be read from a template alone."""
        template = parse(self._given_template(arguments))
        summary = template_summary(template)
        for declared, entry in zip(summary["Parameters"], template.get("Parameters", {}).values(), strict=True):
            allowed = [text(value) for value in entry.get("AllowedValues", [])]
            declared |= {
                "ParameterType": entry["Type"],
                "ParameterConstraints": {"AllowedValues": allowed} if allowed else {},
            }
        types = sorted({entry["Type"] for entry in template["Resources"].values()})
        metadata = template.get("Metadata")
        return {
            **summary,
            "ResourceTypes": types,
            "Version": template.get("AWSTemplateFormatVersion"),
            "Metadata": None if metadata is None else compact(metadata),
        }

    def validate_template(self, arguments: Arguments) -> Result:
        """Whether a template can be read."""
        return template_summary(parse(self._given_template(arguments)))

    def list_exports(self, arguments: Arguments) -> Result:
        """Every export."""
        exports = [
            {"ExportingStackId": state.stack_id, "Name": name, "Value": value}
            for state in self.operations.records.stacks.all()
            for name, value in state.exports.items()
        ]
        page, token = PAGES.cut(exports, arguments, size=PAGE)
        return {"Exports": page, **token}

    def list_imports(self, arguments: Arguments) -> Result:
        """The stacks that import an export."""
        name = arguments["ExportName"]
        users = importers(self.operations.records.stacks, [name]).get(name, [])
        if not users:
            raise invalid(f"Export '{name}' is not imported by any stack.")
        page, token = PAGES.cut(users, arguments, size=PAGE)
        return {"Imports": page, **token}

    def _existing(self, name_or_id: str) -> StackState:
        state = self.operations.state(name_or_id)
        if state is None:
            raise no_stack_named(name_or_id)
        return state

    def _request(self, arguments: Arguments, state: StackState | None) -> StackRequest:
        body = self._template(arguments, state)
        template = parse(body)
        check_types(template, arguments.get("ResourceTypes", []))
        before = state.details if state else None
        capabilities = arguments.get("Capabilities", [])
        check_capabilities(template, capabilities)
        values = parameter_texts(template, arguments.get("Parameters", []), before.parameters if before else {})
        check_values(template, values)
        tags = {tag["Key"]: tag["Value"] for tag in arguments["Tags"]} if "Tags" in arguments else None
        return StackRequest(
            stack_name=state.name if state else arguments["StackName"],
            template_text=body,
            parameters=values,
            capabilities=tuple(capabilities),
            tags=tags if tags is not None else before.tags if before else {},
            notification_arns=tuple(arguments.get("NotificationARNs", before.notification_arns if before else ())),
            role_arn=arguments.get("RoleARN", before.role_arn if before else ""),
            disables_rollback=_disables_rollback(arguments),
            is_protected=arguments.get("EnableTerminationProtection", False),
            token=arguments.get("ClientRequestToken", ""),
        )

    def _template(self, arguments: Arguments, state: StackState | None) -> str:
        if arguments.get("UsePreviousTemplate"):
            if state is None or not state.details.template_text:
                raise invalid("UsePreviousTemplate: there is no previous template")
            return state.details.template_text
        body = template_text(arguments, self.operations.clients_as(None))
        if body is None:
            raise invalid("Either Template URL or Template Body must be specified.")
        return body

    def _given_template(self, arguments: Arguments) -> str:
        if "StackName" in arguments:
            return self._existing(arguments["StackName"]).details.template_text
        return self._template(arguments, None)

    def _stack_of_resource(self, arguments: Arguments) -> StackState:
        if "StackName" in arguments:
            return self._existing(arguments["StackName"])
        physical_id = arguments.get("PhysicalResourceId")
        for state in self.operations.records.stacks.all():
            if any(resource.physical_id == physical_id for resource in state.resources.values()):
                return state
        raise invalid(f"Stack for {physical_id} does not exist")


def _disables_rollback(arguments: Arguments) -> bool:
    asked: bool = arguments.get("DisableRollback", False)
    return asked or "DO_NOTHING" in (arguments.get("OnFailure"), arguments.get("OnStackFailure"))


def _last_updated(resource: Mapping[str, Json]) -> Result:
    """A resource as the newer calls have it."""
    return {"LastUpdatedTimestamp" if name == "Timestamp" else name: fact for name, fact in resource.items()}


def _no_resource(logical_id: str, state: StackState) -> Refused:
    return invalid(f"Resource {logical_id} does not exist for stack {state.name}")


def _wrong_change_set(change_set: ChangeSet) -> Refused:
    return Refused(
        "InvalidChangeSetStatus",
        f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current execution status of "
        f"[{change_set.execution_status}]",
    )
