"""From a template and the state before to a plan, without touching anything but SSM parameters, which are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from local.deploy.changes import Action, Change, change_of_existing, changed_paths
from local.deploy.documents import Json, Properties, text
from local.deploy.errors import TemplateError
from local.deploy.graph import dependencies, topological_order
from local.deploy.handlers import Attempt, Registry, Resource, ResourceHandler, Surroundings
from local.deploy.intrinsics import Unknown, resolve
from local.deploy.names import Identity
from local.deploy.scope import KnownResource, Neighbours, StackScope, importers
from local.deploy.stack_tags import with_stack_tags
from local.deploy.state import ResourceState, StackState, Status
from local.deploy.template import Template, TemplateResource
from model_packages.errors import UnsupportedResource


@dataclass(frozen=True)
class HandlerFinder:
    """Handlers for the resources of one stack."""

    registry: Registry
    surroundings: Surroundings
    stack_name: str
    stack_id: str

    def of(self, state: ResourceState, attempt: Attempt | None = None) -> ResourceHandler:
        """The handler of one resource; raises UnsupportedResource where its type has none."""
        handler_type = self.registry.find(state.resource_type)
        if handler_type is None:
            raise UnsupportedResource(resource_type=state.resource_type, logical_id=state.logical_id, detail="the type")
        identity = Identity(self.stack_name, self.stack_id, state.logical_id, state.resource_type, state.generation)
        heard = self.surroundings if attempt is None else replace(self.surroundings, attempt=attempt)
        return handler_type(identity, heard)


_UNFINISHED = (Status.CREATE_FAILED, Status.UPDATE_FAILED)


@dataclass(frozen=True)
class Plan:
    """What a deployment of one stack would do; `changes` stand in the order of execution, deletions last.

    `before` is the state the plan was made from: empty for a stack that does not exist yet.
    """

    template: Template
    parameters: Mapping[str, str]
    parameter_values: Mapping[str, Json]
    before: StackState
    is_new: bool
    needs: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]
    changes: tuple[Change, ...]
    changes_outputs: bool
    tags: Mapping[str, str]

    @property
    def stack_name(self) -> str:
        """The stack's name."""
        return self.template.stack_name

    @property
    def is_empty(self) -> bool:
        """Whether CloudFormation would say that no updates are to be performed.

        A description, a comment or a parameter that reaches no resource and no output is no update.
        """
        is_whole = self.before.status not in _UNFINISHED
        keeps_all = all(change.action is Action.KEEP for change in self.changes)
        return not self.is_new and is_whole and keeps_all and not self.changes_outputs


def make_plan(
    *,
    scope: StackScope,
    parameters: Mapping[str, str],
    before: StackState,
    is_new: bool,
    finder: HandlerFinder,
) -> Plan:
    """Foresees each resource's change; `scope` is filled with what the resources will be."""
    template = scope.template
    scope.check_rules()
    active = {
        logical_id: resource
        for logical_id, resource in template.resources.items()
        if resource.condition is None or scope.condition(resource.condition)
    }
    needs = dependencies(active)
    order = topological_order(needs, stack_name=template.stack_name)
    _refuse_other_types(active, before)
    changes = [_foresee(active[logical_id], scope, before, finder) for logical_id in order]
    outputs, exports = outputs_and_exports(scope)
    return Plan(
        template=template,
        parameters=parameters,
        parameter_values=scope.parameters,
        before=before,
        is_new=is_new,
        needs=needs,
        order=order,
        changes=(*changes, *_deletions(before, active)),
        changes_outputs=_texts(outputs) != before.outputs or _texts(exports) != before.exports,
        tags=scope.tags,
    )


def _texts(values: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value if isinstance(value, Unknown) else text(value) for name, value in values.items()}


def _refuse_other_types(active: Mapping[str, TemplateResource], before: StackState) -> None:
    changed = [
        logical_id
        for logical_id, resource in active.items()
        if logical_id in before.resources and before.resources[logical_id].resource_type != resource.resource_type
    ]
    if changed:
        problem = (
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )
        raise TemplateError(stack_name=before.name, problem=problem)


def resolved_properties(resource: TemplateResource, scope: StackScope) -> Properties:
    """What a resource is to be given: its own properties resolved, and the stack's tags beside its own."""
    properties = resolve(dict(resource.properties), scope)
    return with_stack_tags(properties, resource.resource_type, scope)


def change_for(
    resource: TemplateResource,
    properties: Properties,
    old: ResourceState | None,
    finder: HandlerFinder,
) -> Change:
    """What a resource's resolved properties mean, given what stands in its place now."""
    if old is None:
        return Change(resource.logical_id, resource.resource_type, Action.CREATE, ("it is new",))
    paths = changed_paths(old, properties)
    create_only = finder.of(old).create_only() if paths else ()
    return change_of_existing(old, properties, paths=paths, create_only=create_only)


def _foresee(resource: TemplateResource, scope: StackScope, before: StackState, finder: HandlerFinder) -> Change:
    old = before.resources.get(resource.logical_id)
    change = change_for(resource, resolved_properties(resource, scope), old, finder)
    change = _with_attributes(change, resource, before)
    scope.resources[resource.logical_id] = _foreseen(change, old, finder)
    return change


_ATTRIBUTES = ("Metadata", "DeletionPolicy", "UpdateReplacePolicy")


def _with_attributes(change: Change, resource: TemplateResource, before: StackState) -> Change:
    """A change of what the template says beside the properties is an update, too, though it calls no service."""
    former = before.template.get("Resources", {}).get(resource.logical_id)
    if former is None or change.action is Action.CREATE:
        return change
    scope = tuple(name for name in _ATTRIBUTES if former.get(name) != resource.attributes.get(name))
    if not scope:
        return change
    action = Action.UPDATE if change.action is Action.KEEP else change.action
    reasons = (*change.reasons, *(f"{name} changes" for name in scope))
    return replace(change, action=action, reasons=reasons, scope=(*change.scope, *scope))


def _foreseen(change: Change, old: ResourceState | None, finder: HandlerFinder) -> KnownResource:
    if old is None or change.action in (Action.CREATE, Action.REPLACE):
        return Unknown(change.logical_id)
    if change.action is Action.KEEP:
        return Resource(old.physical_id, old.attributes)
    handler = finder.of(old)
    if handler.is_volatile(""):
        return Unknown(change.logical_id)
    attributes = {
        name: Unknown(f"{change.logical_id}.{name}") if handler.is_volatile(name) else value
        for name, value in old.attributes.items()
    }
    return Resource(old.physical_id, attributes)


def _deletions(before: StackState, active: Mapping[str, TemplateResource]) -> list[Change]:
    removed = [
        (state, "it is no longer in the template")
        for state in reversed(before.resources.values())
        if state.logical_id not in active
    ]
    leftover = [(state, "an earlier deletion failed") for state in before.leftovers]
    return [
        Change(state.logical_id, state.resource_type, Action.DELETE, (reason,), state.physical_id)
        for state, reason in (*removed, *leftover)
    ]


def outputs_and_exports(scope: StackScope) -> tuple[dict[str, Json], dict[str, Json]]:
    """The stack's outputs by name, and those it exports by export name."""
    outputs: dict[str, Json] = {}
    exports: dict[str, Json] = {}
    for name, entry in scope.template.section("Outputs").items():
        if "Condition" in entry and not scope.condition(entry["Condition"]):
            continue
        outputs[name] = resolve(entry["Value"], scope)
        if "Export" in entry:
            exports[resolve(entry["Export"]["Name"], scope)] = outputs[name]
    return outputs, exports


def check_exports(neighbours: Neighbours, *, before: StackState, exports: Mapping[str, Json]) -> None:
    """Raises TemplateError where an export in use would go or change, or where another stack has the same one."""
    stack_name = neighbours.stack_name
    touched = [name for name, value in before.exports.items() if exports.get(name) != value]
    for name, users in importers(neighbours.store, touched).items():
        verb = "updated" if name in exports else "deleted"
        problem = f"Export {name} cannot be {verb} as it is in use by {' and '.join(users)}"
        raise TemplateError(stack_name=stack_name, problem=problem)
    for state in neighbours.store.all():
        for name in exports.keys() & state.exports.keys():
            if state.name != stack_name and not state.is_gone:
                problem = f"Export with name {name} is already exported by stack {state.name}"
                raise TemplateError(stack_name=stack_name, problem=problem)


def retained(state: ResourceState, resource: TemplateResource | None) -> bool:
    """Whether a physical resource outlives its place in the stack: replaced if `resource` is given, else removed."""
    policy = state.deletion_policy if resource is None else resource.replace_policy
    return policy != "Delete"


def adopted(old: ResourceState, resource: TemplateResource, needs: tuple[str, ...]) -> ResourceState:
    """A kept resource under its template's present policies."""
    return replace(old, deletion_policy=resource.deletion_policy, depends_on=needs)
