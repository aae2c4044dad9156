"""The operations on state machines, and on their tags."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from local.clock import Clock
from local.cloud_port import NOT_IMPLEMENTED
from local.services.states.archive import Archive
from local.services.states.checks import problems_of
from local.services.states.definition import read_definition
from local.services.states.executions import Executions
from local.services.states.failures import StatesRefused, invalid
from local.services.states.machines import AWS_KEY, NO_TRACING, OFF, Machine, Machines, Revision, new_id
from local.services.states.paging import page

PRINCIPAL: Final = "states.amazonaws.com"
MOST_TAGS: Final = 50
NAME: Final = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}$""")
RULE_ACTIONS: Final = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
LOG_ACTIONS: Final = (
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
)

Arguments = Mapping[str, Any]
Operation = Callable[[Arguments], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What roles may: `trusts(role, principal)`, and why `may(role, action, resource)` is refused, or None."""

    trusts: Callable[[str, str], bool]
    may: Callable[[str, str, str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOperations:
    """Makes, changes, shows and deletes state machines."""

    machines: Machines
    archive: Archive
    executions: Executions
    judge: Judge
    clock: Clock
    account: str
    region: str

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "CreateStateMachine": self.create,
            "UpdateStateMachine": self.update,
            "DeleteStateMachine": self.delete,
            "DescribeStateMachine": self.describe,
            "ListStateMachines": self.list,
            "ValidateStateMachineDefinition": self.validate,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.tags,
        }

    async def create(self, arguments: Arguments) -> Mapping[str, Any]:
        """A new machine; the same call again gives the one that it has made."""
        name, role_arn = arguments["name"], arguments["roleArn"]
        check_name(name)
        if arguments.get("type", "STANDARD") != "STANDARD":
            raise not_here("Express state machines are not run by the local cloud")
        if arguments.get("publish"):
            raise not_here("the local cloud has no versions of state machines")
        tags = _tags(arguments.get("tags", []))
        now = self.clock.now().isoformat()
        revision = Revision(
            id=new_id(),
            definition=arguments["definition"],
            role_arn=role_arn,
            updated=now,
            logging=arguments.get("loggingConfiguration") or OFF,
            tracing=arguments.get("tracingConfiguration") or NO_TRACING,
            encryption=arguments.get("encryptionConfiguration") or AWS_KEY,
        )
        arn = f"arn:aws:states:{self.region}:{self.account}:stateMachine:{name}"
        self._check(revision)
        if (former := self.machines.find(arn)) is not None:
            if _same(self.machines.revision(former.revision), revision):
                return {"stateMachineArn": arn, "creationDate": datetime.fromisoformat(former.created)}
            raise StatesRefused("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        await self.machines.put(Machine(arn=arn, name=name, created=now, revision=revision.id, tags=tags), revision)
        return {"stateMachineArn": arn, "creationDate": datetime.fromisoformat(now)}

    async def update(self, arguments: Arguments) -> Mapping[str, Any]:
        """Changes a machine; what runs goes on as it was."""
        machine = self.machine(arguments["stateMachineArn"])
        if arguments.get("publish"):
            raise not_here("the local cloud has no versions of state machines")
        members = {
            "definition": "definition",
            "roleArn": "role_arn",
            "loggingConfiguration": "logging",
            "tracingConfiguration": "tracing",
            "encryptionConfiguration": "encryption",
        }
        changed = {own: arguments[member] for member, own in members.items() if arguments.get(member) is not None}
        if not changed:
            raise StatesRefused(
                "MissingRequiredParameter",
                "Either the definition, the role ARN, the LoggingConfiguration, the TracingConfiguration or the "
                "EncryptionConfiguration must be specified",
            )
        now = self.clock.now()
        former = self.machines.revision(machine.revision)
        revision = replace(former, **changed, id=new_id(), updated=now.isoformat(), is_first=False)
        self._check(revision)
        await self.machines.put(replace(machine, revision=revision.id), revision)
        return {"updateDate": now, "revisionId": revision.id}

    async def delete(self, arguments: Arguments) -> Mapping[str, Any]:
        """Removes a machine, and ends what it runs; one that is not there is no error."""
        machine = self.machines.find(checked_arn(arguments["stateMachineArn"], "stateMachine"))
        if machine is None:
            return {}
        await self.machines.remove(machine)
        for execution in self.archive.of_machine(machine.arn):
            await self.executions.stop(execution, error=None, cause=None)
        return {}

    async def describe(self, arguments: Arguments) -> Mapping[str, Any]:
        """All that is known of a machine."""
        machine = self.machine(arguments["stateMachineArn"])
        revision = self.machines.revision(machine.revision)
        return {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "status": "ACTIVE",
            "type": "STANDARD",
            "creationDate": datetime.fromisoformat(machine.created),
            **described(revision),
        }

    async def list(self, arguments: Arguments) -> Mapping[str, Any]:
        """All machines, by name, a page at a time."""
        found = [
            {
                "stateMachineArn": machine.arn,
                "name": machine.name,
                "type": "STANDARD",
                "creationDate": datetime.fromisoformat(machine.created),
            }
            for machine in sorted(self.machines.all(), key=lambda machine: machine.name)
        ]
        return page("stateMachines", found, arguments)

    async def validate(self, arguments: Arguments) -> Mapping[str, Any]:
        """What is wrong with a definition."""
        problems = problems_of(arguments["definition"])
        most = arguments.get("maxResults") or 100
        diagnostics = [
            {"severity": "ERROR", "code": each.code, "message": each.message, "location": each.location}
            for each in problems
        ]
        return {
            "result": "FAIL" if problems else "OK",
            "diagnostics": diagnostics[:most],
            "truncated": len(diagnostics) > most,
        }

    async def tag(self, arguments: Arguments) -> Mapping[str, Any]:
        machine = self._tagged(arguments["resourceArn"])
        await self.machines.retag(machine, _bounded({**machine.tags, **_tags(arguments["tags"])}))
        return {}

    async def untag(self, arguments: Arguments) -> Mapping[str, Any]:
        machine, gone = self._tagged(arguments["resourceArn"]), set(arguments["tagKeys"])
        await self.machines.retag(machine, {key: value for key, value in machine.tags.items() if key not in gone})
        return {}

    async def tags(self, arguments: Arguments) -> Mapping[str, Any]:
        machine = self._tagged(arguments["resourceArn"])
        return {"tags": [{"key": key, "value": value} for key, value in machine.tags.items()]}

    def machine(self, arn: str) -> Machine:
        """The machine of an ARN.

        Raises: StatesRefused.
        """
        machine = self.machines.find(checked_arn(arn, "stateMachine"))
        if machine is None:
            raise StatesRefused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def _tagged(self, arn: str) -> Machine:
        machine = self.machines.find(arn)
        if machine is None:
            raise StatesRefused("ResourceNotFound", f"Resource not found: '{arn}'")
        return machine

    def _check(self, revision: Revision) -> None:
        """Raises: StatesRefused."""
        problems = problems_of(revision.definition)
        if wrong := [problem for problem in problems if not problem.is_missing_here]:
            raise StatesRefused("InvalidDefinition", _sentence(wrong))
        if problems:
            raise StatesRefused(NOT_IMPLEMENTED, _sentence(problems), status=501)
        if not self.judge.trusts(revision.role_arn, PRINCIPAL):
            raise _denied(
                f"Neither the global service principal {PRINCIPAL}, nor the regional one is authorized to assume the "
                "provided role."
            )
        jobs = {each.job for each in read_definition(revision.definition).integrations if each.job is not None}
        for job in sorted(jobs, key=lambda job: job.rule):
            rule = f"arn:aws:events:{self.region}:{self.account}:rule/{job.rule}"
            if any(self.judge.may(revision.role_arn, action, rule) is not None for action in RULE_ACTIONS):
                raise _denied(f"'{revision.role_arn}' is not authorized to create managed-rule.")
        self._check_logging(revision)

    def _check_logging(self, revision: Revision) -> None:
        if revision.logging.get("level", "OFF") == "OFF":
            return
        if len(revision.logging.get("destinations", ())) != 1:
            message = "Invalid Logging Configuration: Must specify exactly one Log Destination."
            raise StatesRefused("InvalidLoggingConfiguration", message)
        if any(self.judge.may(revision.role_arn, action, "*") is not None for action in LOG_ACTIONS):
            raise _denied("The state machine IAM Role is not authorized to access the Log Destination")


def described(revision: Revision) -> dict[str, Any]:
    """What a revision adds to the description of a machine."""
    return {
        "definition": revision.definition,
        "roleArn": revision.role_arn,
        "loggingConfiguration": dict(revision.logging),
        "tracingConfiguration": dict(revision.tracing),
        "encryptionConfiguration": dict(revision.encryption),
        **({} if revision.is_first else {"revisionId": revision.id}),
    }


def check_name(name: str) -> None:
    """Raises: StatesRefused."""
    if not NAME.match(name):
        raise StatesRefused("InvalidName", f"Invalid Name: '{name}'")


def checked_arn(arn: str, kind: str) -> str:
    """An ARN of this kind.

    Raises: StatesRefused.
    """
    parts = arn.split(":")
    if parts[:3] != ["arn", "aws", "states"] or len(parts) < 7 or parts[5] != kind:
        raise StatesRefused("InvalidArn", f"Invalid Arn: 'Invalid ARN: {arn}'")
    return arn


def not_here(sentence: str) -> StatesRefused:
    """The refusal of what AWS has and the local cloud has not."""
    return StatesRefused(NOT_IMPLEMENTED, f"{sentence}; ARCHITECTURE.md lists what it does", status=501)


def _denied(message: str) -> StatesRefused:
    return StatesRefused("AccessDeniedException", message)


def _sentence(problems: Any) -> str:
    return f"Invalid State Machine Definition: '{', '.join(str(problem) for problem in problems)}'"


def _same(one: Revision, other: Revision) -> bool:
    return replace(one, id="", updated="") == replace(other, id="", updated="")


def _tags(tags: Any) -> dict[str, str]:
    return _bounded({tag["key"]: tag.get("value", "") for tag in tags})


def _bounded(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MOST_TAGS:
        raise StatesRefused("TooManyTags", f"A resource can have {MOST_TAGS} tags at most; these are {len(tags)}.")
    if wrong := next((key for key in tags if not key or key.lower().startswith("aws:")), None):
        raise invalid(f"found the tag key {wrong!r}; it must not begin with aws:")
    return tags
