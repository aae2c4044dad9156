"""The operations on executions, and on the tokens that their tasks have handed out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local.services.states.archive import Archive
from local.services.states.execution import Execution, Position, Status
from local.services.states.executions import Executions
from local.services.states.failures import DATA_LIMIT_BYTES, StatesRefused, invalid
from local.services.states.operations import MachineOperations, Operation, check_name, checked_arn, described, not_here
from local.services.states.paging import page
from local.services.states.tokens import execution_of_token

Arguments = Mapping[str, Any]
DATA: Final = frozenset({"input", "inputDetails", "output", "outputDetails"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionOperations:
    """Starts, stops and shows executions, and takes answers of tasks."""

    of_machines: MachineOperations
    archive: Archive
    executions: Executions

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "StartExecution": self.start,
            "StopExecution": self.stop,
            "DescribeExecution": self.describe,
            "DescribeStateMachineForExecution": self.describe_machine,
            "ListExecutions": self.list,
            "GetExecutionHistory": self.history,
            "SendTaskSuccess": self.succeed,
            "SendTaskFailure": self.fail,
            "SendTaskHeartbeat": self.beat,
        }

    async def start(self, arguments: Arguments) -> Mapping[str, Any]:
        """A new execution; the same call again gives the one that it has begun, while that runs."""
        machine = self.of_machines.machine(arguments["stateMachineArn"])
        name, given = arguments.get("name") or str(uuid.uuid4()), arguments.get("input", "{}")
        check_name(name)
        _check_input(given)
        arn = f"{machine.arn.replace(':stateMachine:', ':execution:')}:{name}"
        former = self.archive.find(arn)
        if former is not None:
            if former.is_running and former.input == given and former.machine_arn == machine.arn:
                return {"executionArn": arn, "startDate": _moment(former.started)}
            raise StatesRefused("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        now = self.of_machines.clock.now()
        execution = Execution(
            arn=arn,
            machine_arn=machine.arn,
            machine_name=machine.name,
            name=name,
            revision=machine.revision,
            input=given,
            started=now.isoformat(),
            trace_header=arguments.get("traceHeader"),
        )
        await self.executions.start(execution)
        return {"executionArn": arn, "startDate": now}

    async def stop(self, arguments: Arguments) -> Mapping[str, Any]:
        """Aborts an execution, and the job that it waits for."""
        execution = self._execution(arguments["executionArn"])
        await self.executions.stop(execution, error=arguments.get("error"), cause=arguments.get("cause"))
        return {"stopDate": _moment(execution.stopped or self.of_machines.clock.now().isoformat())}

    async def describe(self, arguments: Arguments) -> Mapping[str, Any]:
        """All that is known of an execution."""
        execution = self._execution(arguments["executionArn"])
        has_data = arguments.get("includedData", "ALL_DATA") == "ALL_DATA"
        found = {
            **_summary(execution),
            "redriveStatus": "NOT_REDRIVABLE",
            "redriveStatusReason": f"Execution is {execution.status} and cannot be redriven",
            "traceHeader": execution.trace_header,
            "error": execution.error,
            "cause": execution.cause,
        }
        if has_data:
            found |= {"input": execution.input, "inputDetails": {"included": True}}
            if execution.output is not None:
                found |= {"output": execution.output, "outputDetails": {"included": True}}
        return found

    async def describe_machine(self, arguments: Arguments) -> Mapping[str, Any]:
        """The machine as it was when the execution began."""
        execution = self._execution(arguments["executionArn"])
        revision = self.of_machines.machines.revision(execution.revision)
        return {
            "stateMachineArn": execution.machine_arn,
            "name": execution.machine_name,
            "updateDate": _moment(revision.updated),
            **described(revision),
        }

    async def list(self, arguments: Arguments) -> Mapping[str, Any]:
        """The executions of a machine, the newest first, a page at a time."""
        if "stateMachineArn" not in arguments:
            raise not_here("the local cloud has no map runs: ListExecutions needs stateMachineArn")
        machine = self.of_machines.machine(arguments["stateMachineArn"])
        wanted = arguments.get("statusFilter")
        found = [
            _summary(execution)
            for execution in reversed(self.archive.of_machine(machine.arn))
            if wanted is None or execution.status == wanted
        ]
        return page("executions", found, arguments)

    async def history(self, arguments: Arguments) -> Mapping[str, Any]:
        """What has happened in an execution, a page at a time."""
        events = await self.archive.events(self._execution(arguments["executionArn"]))
        if arguments.get("reverseOrder"):
            events = events[::-1]
        shown = page("events", events, arguments)
        has_data = arguments.get("includeExecutionData", True)
        shown["events"] = [_shown(event, has_data=has_data) for event in shown["events"]]
        return shown

    async def succeed(self, arguments: Arguments) -> Mapping[str, Any]:
        """A task's output, from whoever has its token."""
        try:
            output = json.loads(arguments["output"])
        except ValueError as error:
            raise StatesRefused("InvalidOutput", f"Invalid Output: 'Invalid JSON: {error}'") from error
        await self._answer(arguments["taskToken"], {"output": output})
        return {}

    async def fail(self, arguments: Arguments) -> Mapping[str, Any]:
        """A task's failure, from whoever has its token."""
        answer = {"error": arguments.get("error"), "cause": arguments.get("cause")}
        await self._answer(arguments["taskToken"], answer)
        return {}

    async def beat(self, arguments: Arguments) -> Mapping[str, Any]:
        """Whoever has the token is still at work."""
        await self.executions.beat(*self._task(arguments["taskToken"]))
        return {}

    async def _answer(self, token: str, answer: dict[str, Any]) -> None:
        execution, position = self._task(token)
        await self.executions.answer(execution, position, answer)

    def _task(self, token: str) -> tuple[Execution, Position]:
        """Raises: StatesRefused."""
        arn = execution_of_token(token)
        if arn is None:
            raise StatesRefused("InvalidToken", "Invalid Token: 'Invalid token'")
        execution = self.archive.find(arn)
        if execution is None:
            raise StatesRefused("TaskDoesNotExist", "Task does not exist: 'Task does not exist anymore'")
        for position in execution.positions():
            if position.token == token and position.answer is None:
                return execution, position
        raise StatesRefused("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")

    def _execution(self, arn: str) -> Execution:
        execution = self.archive.find(checked_arn(arn, "execution"))
        if execution is None:
            raise StatesRefused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return execution


def _summary(execution: Execution) -> dict[str, Any]:
    return {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": Status(execution.status).value,
        "startDate": _moment(execution.started),
        "stopDate": None if execution.stopped is None else _moment(execution.stopped),
        "redriveCount": 0,
    }


def _shown(event: Mapping[str, Any], *, has_data: bool) -> dict[str, Any]:
    found = {**event, "timestamp": _moment(event["timestamp"])}
    if has_data:
        return found
    return {
        name: {each: kept for each, kept in value.items() if each not in DATA} if isinstance(value, Mapping) else value
        for name, value in found.items()
    }


def _check_input(text: str) -> None:
    if len(text.encode()) > DATA_LIMIT_BYTES:
        raise invalid(f"the input has {len(text.encode())} bytes; allowed: {DATA_LIMIT_BYTES}")
    try:
        json.loads(text)
    except ValueError as error:
        raise StatesRefused("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
