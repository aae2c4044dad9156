"""Asks a person whether a version may be rolled out. The answer goes to Step Functions, with the token kept here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.retraining import notices
from functions.retraining.loop_state import Approval, LockLost, LoopState, LoopStore
from functions.retraining.recording import reasons_of, version_of
from functions.retraining.settings import RetrainingSettings
from functions.retraining.telling import Telling
from model_packages.contract import Retraining


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Of one package."""

    store: LoopStore
    telling: Telling
    settings: RetrainingSettings
    retraining: Retraining

    def ask(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The step: keeps the token for whoever answers, and tells people. Twice, they are told twice.

        Raises: LockLost if the run was settled meanwhile.
        """
        approval = Approval(
            run=event["run"],
            token=event["token"],
            version=version_of(event),
            asked=datetime.fromisoformat(event["now"]),
        )
        self.store.change(lambda state: _with_question(state, approval))
        decision = event.get("decision") or {}
        notice = notices.asking(
            approval,
            package=self.settings.package,
            summary=str(decision.get("summary") or ""),
            reasons=reasons_of(event),
            hours=self.retraining.approval_hours,
        )
        self.telling.send(notice)
        return {"asked": approval.version}


def _with_question(state: LoopState, approval: Approval) -> LoopState:
    if not state.is_held_by(approval.run):
        raise LockLost(f"the run {approval.run} does not hold the lock any more; start another run")
    return replace(state, approval=approval)
