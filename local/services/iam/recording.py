"""What was asked in the names of roles, and what the roles were granted: written down for a report on unused grants.

It is kept only where an environment variable names a folder, because a recording holds every resource that was touched.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.services.iam.authority import Authority
from local.services.iam.evaluation import Caller, Decision, Grant, Question, decide, grants_of, without_grant
from local.services.iam.patterns import Context
from local.services.iam.policies import Policy, policy_of

FOLDER_VARIABLE: Final = "FLYBALL_PERMISSION_USAGE"
"""Names the folder where a cloud leaves its recording when it stops."""

NOT_KEPT: Final = frozenset({"aws:currenttime", "aws:epochtime", "aws:useragent"})
"""Different at each question, and in no policy of ours."""


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """One role: its policies, and the questions that they answered with yes."""

    policies: tuple[Policy, ...]
    asked: tuple[Question, ...] = ()

    def unused(self) -> Iterator[Grant]:
        """The grants that nobody would miss: without any one of them, each question is answered as before."""
        return (grant for grant in grants_of(self.policies) if not self.needs(grant))

    def needs(self, grant: Grant) -> bool:
        """Whether a question is answered with no once the grant is gone."""
        without = _caller(without_grant(self.policies, grant))
        before = _caller(self.policies)
        return any(
            grant in decide(before, question).grants and not decide(without, question).allowed
            for question in self.asked
        )


class QuestionRecorder:
    """An observer of an authority. Calls may come from any thread; each question is kept once."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._asked: dict[tuple[str, str, str, str], Question] = {}
        self._documents: dict[str, Mapping[str, Any]] = {}
        authority.observe(self._take)

    def write(self, folder: Path) -> Path:
        """Leaves the recording as a file of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{uuid.uuid4()}.json"
        path.write_text(json.dumps(self._recording()), encoding="utf-8")
        return path

    def _take(self, caller: Caller, question: Question, decision: Decision) -> None:
        if not decision.grants or len(caller.arns) < 2:
            return
        role = caller.arns[1]
        context = {key: value for key, value in {**caller.context, **question.context}.items() if key not in NOT_KEPT}
        key = (role, question.action, question.resource, json.dumps(context, sort_keys=True))
        if key not in self._asked:
            self._asked[key] = Question(question.action, question.resource, context)
            self._documents[role] = self._authority.documents().get(role, {})

    def _recording(self) -> dict[str, Any]:
        documents = {**self._documents, **self._authority.documents()}
        recording: dict[str, Any] = {role: {"policies": found, "asked": []} for role, found in documents.items()}
        for (role, *_), question in list(self._asked.items()):
            asked = {"action": question.action, "resource": question.resource, "context": dict(question.context)}
            recording[role]["asked"].append(asked)
        return recording


def read_recording(path: Path) -> dict[str, RoleRecord]:
    """A recording's roles, by their ARNs."""
    return {role: _role_record(found) for role, found in json.loads(path.read_text(encoding="utf-8")).items()}


def recorder_for(authority: Authority) -> QuestionRecorder | None:
    """A recorder, where the environment asks for one."""
    return QuestionRecorder(authority) if os.environ.get(FOLDER_VARIABLE) else None


def leave(recorder: QuestionRecorder | None) -> None:
    """Writes the recording into the folder that the environment names."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if recorder is not None and folder:
        recorder.write(Path(folder))


def _role_record(found: Mapping[str, Any]) -> RoleRecord:
    policies = tuple(policy_of(document, name=name) for name, document in found["policies"].items())
    return RoleRecord(policies, tuple(_questions(found["asked"])))


def _questions(found: Iterable[Mapping[str, Any]]) -> Iterator[Question]:
    for each in found:
        yield Question(each["action"], each["resource"], _context(each["context"]))


def _context(found: Mapping[str, Any]) -> Context:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def _caller(policies: tuple[Policy, ...]) -> Caller:
    return Caller(arns=("session", "role"), account="", identity=policies)
