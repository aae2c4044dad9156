"""What can go wrong in a deployment, each with the facts as attributes.

OperatorError
  AssemblyError         cdk.out is not an assembly that can be deployed here
  TemplateError         a template contradicts itself or names something that does not exist
  StackFailed           a resource failed; says what was rolled back and what could not be
  StackInWrongState     the stack's state does not allow the operation
  ResourceFailed        one resource's own failure, which the engine turns into StackFailed
  UnsupportedResource
    UnsupportedAssembly everything the local cloud does not implement, found before anything is created
"""

from __future__ import annotations

from collections.abc import Sequence

from model_packages.errors import OperatorError, UnsupportedResource


class AssemblyError(OperatorError):
    """The folder is no cloud assembly, or one that asks for another account, region or asset kind."""


class TemplateError(OperatorError):
    """A template that CloudFormation would refuse, too."""

    def __init__(self, *, stack_name: str, problem: str) -> None:
        self.stack_name, self.problem = stack_name, problem
        super().__init__(f"template of {stack_name}: {problem}")


class ResourceFailed(OperatorError):
    """One resource could not be made, changed or removed; `code` is CloudFormation's HandlerErrorCode."""

    def __init__(self, reason: str, *, code: str = "GeneralServiceException") -> None:
        self.code = code
        super().__init__(reason)


class CloudFormationRefused(ResourceFailed):
    """CloudFormation itself says no, in its own words; no service was asked, or its answer was no answer."""


class CreationIncomplete(ResourceFailed):
    """Creation failed after the resource had come to life under `physical_id`; a rollback has to delete it."""

    def __init__(self, physical_id: str, reason: str) -> None:
        self.physical_id = physical_id
        super().__init__(reason)


class StackInWrongState(OperatorError):
    """What is asked for cannot be done with a stack in this state; `problem` has CloudFormation's words."""

    def __init__(self, *, stack_name: str, problem: str) -> None:
        self.stack_name, self.problem = stack_name, problem
        super().__init__(problem)


class StackFailed(OperatorError):
    """A stack could not be brought to its template; `kept` names what a rollback could not undo."""

    def __init__(
        self,
        *,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        reason: str,
        rolled_back: Sequence[str] = (),
        kept: Sequence[str] = (),
    ) -> None:
        self.stack_name, self.logical_id, self.resource_type = stack_name, logical_id, resource_type
        self.reason, self.rolled_back, self.kept = reason, tuple(rolled_back), tuple(kept)
        undone = f"; rolled back: {', '.join(rolled_back)}" if rolled_back else ""
        stuck = f"; could not be rolled back: {', '.join(kept)}" if kept else ""
        super().__init__(f"{stack_name}: {logical_id} ({resource_type}): {reason}{undone}{stuck}")


class UnsupportedAssembly(UnsupportedResource):
    """All that the local cloud does not implement of an assembly; the attributes are the first problem's."""

    def __init__(self, problems: Sequence[UnsupportedResource]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(resource_type=first.resource_type, logical_id=first.logical_id, detail=first.detail)
        self.args = ("\n".join(str(problem) for problem in self.problems),)
