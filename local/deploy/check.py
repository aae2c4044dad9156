"""What of an assembly the local cloud does not implement, found by reading alone, before anything is created.

Resources behind a condition are judged, too: whether a condition holds may depend on what an earlier stack deploys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from local.deploy.assembly import Assembly, AssemblyStack
from local.deploy.documents import Json, PropertyPath
from local.deploy.errors import TemplateError, UnsupportedAssembly
from local.deploy.graph import references
from local.deploy.handlers import Registry, ResourceHandler, Surroundings
from local.deploy.intrinsics import attribute_target, function_name, substituted, supports
from local.deploy.names import Identity
from local.deploy.template import STACK_TYPE, Template, TemplateResource, parse_template
from model_packages.errors import UnsupportedResource


def check_assembly(assembly: Assembly, *, registry: Registry, surroundings: Surroundings) -> None:
    """Raises UnsupportedAssembly with every problem, or TemplateError for a reference to nothing."""
    problems = [
        problem
        for stack in assembly.stacks
        for problem in unsupported_in(stack, registry=registry, surroundings=surroundings)
    ]
    if problems:
        raise UnsupportedAssembly(problems)


def unsupported_in(
    stack: AssemblyStack, *, registry: Registry, surroundings: Surroundings
) -> list[UnsupportedResource]:
    """Everything in one stack that is not implemented."""
    try:
        template = parse_template(stack.template, stack_name=stack.name)
    except UnsupportedResource as problem:
        return [problem]
    _check_references(template)
    checker = _Checker(template, registry, surroundings)
    problems = [problem for resource in template.resources.values() for problem in checker.problems(resource)]
    return [*problems, *checker.calls_problems(template.section("Outputs"), where=(STACK_TYPE, stack.name))]


def _check_references(template: Template) -> None:
    known = template.resources.keys() | template.section("Parameters").keys()
    named = {
        "Resources": [
            name
            for resource in template.resources.values()
            for name in (*resource.depends_on, *references(resource.properties))
        ],
        "Outputs": [name for entry in template.section("Outputs").values() for name in references(entry)],
    }
    for block, names in named.items():
        nowhere = [name for name in dict.fromkeys(names) if name not in known and not name.startswith("AWS::")]
        if nowhere:
            listed = ", ".join(nowhere)
            problem = (
                f"Template format error: Unresolved resource dependencies [{listed}] "
                f"in the {block} block of the template"
            )
            raise TemplateError(stack_name=template.stack_name, problem=problem)


class _Checker:
    def __init__(self, template: Template, registry: Registry, surroundings: Surroundings) -> None:
        self._template, self._registry, self._surroundings = template, registry, surroundings

    def problems(self, resource: TemplateResource) -> Iterator[UnsupportedResource]:
        """What is not implemented of one resource."""
        handler = self._handler(resource)
        if handler is None:
            yield _problem(resource, "the type")
            return
        for path in dict.fromkeys(property_paths(dict(resource.properties))):
            if not handler.accepts(path):
                yield _problem(resource, f"the property {'.'.join(path)}")
        where = (resource.resource_type, resource.logical_id)
        yield from self.calls_problems(resource.properties, where=where)

    def calls_problems(self, value: Mapping[str, Json], *, where: tuple[str, str]) -> Iterator[UnsupportedResource]:
        """What is not implemented of the intrinsic functions called inside `value`."""
        for function, argument in calls(dict(value)):
            if not supports(function):
                resource_type, logical_id = where
                detail = f"the intrinsic function {function}"
                yield UnsupportedResource(resource_type=resource_type, logical_id=logical_id, detail=detail)
            for target, attribute in _attributes_read(function, argument):
                yield from self._attribute_problems(target, attribute)

    def _handler(self, resource: TemplateResource) -> ResourceHandler | None:
        handler_type = self._registry.find(resource.resource_type)
        if handler_type is None:
            return None
        identity = Identity(self._template.stack_name, "", resource.logical_id, resource.resource_type)
        return handler_type(identity, self._surroundings)

    def _attribute_problems(self, logical_id: str, attribute: str) -> Iterator[UnsupportedResource]:
        target = self._template.resources[logical_id]
        handler = self._handler(target)
        if handler is not None and not handler.has_attribute(attribute):
            yield _problem(target, f"the attribute {attribute}")


def _problem(resource: TemplateResource, detail: str) -> UnsupportedResource:
    return UnsupportedResource(resource_type=resource.resource_type, logical_id=resource.logical_id, detail=detail)


def property_paths(value: Json, path: PropertyPath = ()) -> Iterator[PropertyPath]:
    """The paths of a resource's leaves; both branches of a Fn::If count, any other function call is a leaf."""
    if isinstance(value, list) and value:
        for item in value:
            yield from property_paths(item, path)
    elif isinstance(value, dict) and value:
        name = function_name(value)
        if name == "Fn::If":
            yield from property_paths(value[name][1:], path)
        elif value == {"Ref": "AWS::NoValue"}:
            return
        elif name is not None:
            yield path
        else:
            for key, item in value.items():
                yield from property_paths(item, (*path, key))
    elif path:
        yield path


def calls(value: Json) -> Iterator[tuple[str, Json]]:
    """Every intrinsic function call inside `value`, with its argument."""
    if isinstance(value, list):
        for item in value:
            yield from calls(item)
    elif isinstance(value, dict):
        name = function_name(value)
        if name is not None:
            yield name, value[name]
        for item in value.values():
            yield from calls(item)


def _attributes_read(function: str, argument: Json) -> Iterator[tuple[str, str]]:
    if function == "Fn::GetAtt":
        logical_id, attribute = attribute_target(argument)
        if isinstance(attribute, str):
            yield logical_id, attribute
    elif function == "Fn::Sub":
        template, given = (argument, {}) if isinstance(argument, str) else argument
        for name in substituted(template):
            if "." in name and name not in given:
                logical_id, _, attribute = name.partition(".")
                yield logical_id, attribute
