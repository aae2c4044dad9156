"""What the retraining loop knows between runs: who holds its lock, what waits, and how each run ended.

One object, replaced by compare-and-swap, so that two runs never hold the lock and a step that comes twice counts once.
It quotes no request and no label: people read it with `flyball history`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

from botocore.exceptions import ClientError

from functions.monitor.objects import S3Objects, is_absent, is_lost
from functions.retraining.settings import RetrainingSettings
from functions.retraining.triggers import Trigger, TriggerKind
from functions.shared import layout
from model_packages.errors import OperatorError

FORMAT = 1
RUNS_KEPT = 200
SKIPPED_KEPT = 50
CHAMPIONS_KEPT = 200
ATTEMPTS = 10
"""At replacing the state. Each lost one means that somebody else's was won."""

Phase = Literal["preparing", "rollout"]


class Outcome(StrEnum):
    """How a run ended: the state machine, the notification, the metrics and the command line know the same five."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


UNFINISHED = (Outcome.FAILED, Outcome.TIMED_OUT)
"""A run that ended so decided nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCount:
    """How many labelled predictions there were when a run began, so that later ones can be told from them."""

    hour: str
    """Counted are the predictions from this hour on, yyyy/mm/dd/hh: earlier ones take no labels any more."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The one run that is under way."""

    run: str
    """The execution's name."""
    execution: str
    """The execution's ARN."""
    since: datetime
    trigger: Trigger
    champion: str
    """The champion's ARN when the run began; `none` for the initial version."""
    labels: LabelCount | None = None
    """None where nobody had to count them."""
    phase: Phase = "preparing"
    """While it is `rollout`, the endpoint is the run's, and no deployment may change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """A trigger that has to wait. A later look acts on it if its alarm is still there."""

    trigger: Trigger
    since: datetime
    reason: str
    run: str
    """The execution that the trigger started, or that was to no avail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A trigger that was not acted on, and why."""

    at: datetime
    kind: TriggerKind
    reason: str
    run: str
    """The execution that the trigger started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A version that waits for a person. `token` is Step Functions' task token."""

    run: str
    token: str
    version: str
    asked: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule of the gate: what it found and what it allows."""

    rule: str
    passed: bool
    found: str
    allowed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How one run ended. A text is empty where there is nothing to say."""

    run: str
    kind: TriggerKind
    why: str
    """The trigger's reason or alarm, and who started it."""
    started: datetime
    ended: datetime
    outcome: Outcome
    summary: str
    """One sentence."""
    version: str = ""
    """The ARN of the version that it registered or rolled back to."""
    number: int | None = None
    champion: str = ""
    """The ARN of the champion that it began with."""
    alarm: str = ""
    """The one that took the rollout back."""
    reasons: tuple[Reason, ...] = ()
    metric: str = ""
    champion_metric: float | None = None
    challenger_metric: float | None = None
    manifest_uri: str = ""
    rolls_back: bool = False
    labels: LabelCount | None = None
    restores: bool = False
    """Whether it ended while the endpoint may have been on its version, so that the champion's has to be put back."""
    told: bool = False
    """Whether the notification and the metrics went out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionRecord:
    """A version that served, and what it served from. `arn` is `none` for the initial one."""

    arn: str
    config: str
    """The endpoint config's name."""
    model: str
    """The name of SageMaker's model."""
    since: datetime
    run: str
    """Empty for what a deployment put into service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """Replaced as a whole. What there is more than one of is oldest first."""

    begun: datetime | None = None
    """When the loop first looked: the schedule counts from here before there is a run."""
    lock: Lock | None = None
    deferred: Deferred | None = None
    approval: Approval | None = None
    runs: tuple[RunRecord, ...] = ()
    champions: tuple[ChampionRecord, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def record_of(self, run: str) -> RunRecord | None:
        """How a run ended; None while it has not."""
        return next((record for record in reversed(self.runs) if record.run == run), None)

    def is_held_by(self, run: str) -> bool:
        """Whether this run has the lock."""
        return self.lock is not None and self.lock.run == run

    def with_run(self, record: RunRecord) -> LoopState:
        """With one run more, unless it is there already."""
        if self.record_of(record.run) is not None:
            return self
        return replace(self, runs=(*self.runs, record)[-RUNS_KEPT:])

    def with_skipped(self, skipped: Skipped) -> LoopState:
        return replace(self, skipped=(*self.skipped, skipped)[-SKIPPED_KEPT:])

    def with_champion(self, record: ChampionRecord) -> LoopState:
        """With another version in service, unless this run has put it there already."""
        if self.champions and self.champions[-1].run == record.run and self.champions[-1].arn == record.arn:
            return self
        return replace(self, champions=(*self.champions, record)[-CHAMPIONS_KEPT:])

    def in_phase(self, run: str, phase: Phase) -> LoopState:
        """With the lock in another phase. Raises: LockLost if the run does not hold it any more."""
        if self.lock is None or self.lock.run != run:
            raise LockLost(f"the run {run} does not hold the lock any more; nothing was changed; start another run")
        return replace(self, lock=replace(self.lock, phase=phase))

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, default=_written) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises: OperatorError for a state of another format."""
        document = json.loads(text)
        if (found := document.get("format")) != FORMAT:
            raise OperatorError(
                f"the retraining loop's state has the format {found!r}; allowed: {FORMAT}; "
                "deploy the release that wrote it"
            )
        return cls(
            begun=document["begun"] and datetime.fromisoformat(document["begun"]),
            lock=_read(Lock, document["lock"]),
            deferred=_read(Deferred, document["deferred"]),
            approval=_read(Approval, document["approval"]),
            runs=_read_all(RunRecord, document["runs"]),
            champions=_read_all(ChampionRecord, document["champions"]),
            skipped=_read_all(Skipped, document["skipped"]),
        )


class LockLost(OperatorError):
    """A step of a run that was settled meanwhile: whatever it did must not go on."""


class LostRaces(Exception):
    """The state was replaced by others again and again. Trying later does no harm."""


@dataclass(frozen=True, slots=True)
class LoopStore:
    """state.json of one package's loop. `key` is layout.loop_key()."""

    s3: S3Objects
    bucket: str
    key: str

    @classmethod
    def of(cls, s3: S3Objects, settings: RetrainingSettings) -> Self:
        return cls(s3, settings.artifacts_bucket, layout.loop_key(settings.aws_name))

    def read(self) -> LoopState:
        """The state as it is now; an empty one before the first."""
        return self._read()[0]

    def change(self, function: Callable[[LoopState], LoopState]) -> LoopState:
        """Replaces the state by what `function` makes of it, and returns that.

        Whoever loses the race reads again and calls `function` again, which therefore changes nothing else. One that
        returns the state it was given writes nothing. Raises: LostRaces; whatever `function` raises.
        """
        for _ in range(ATTEMPTS):
            state, condition = self._read()
            changed = function(state)
            if changed == state or self._is_put(changed, condition):
                return changed
        raise LostRaces(f"s3://{self.bucket}/{self.key} was replaced by others {ATTEMPTS} times")

    def _read(self) -> tuple[LoopState, Mapping[str, str]]:
        """And the condition under which it may be replaced."""
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if is_absent(error):
                return LoopState(), {"IfNoneMatch": "*"}
            raise
        return LoopState.from_json(found["Body"].read()), {"IfMatch": found["ETag"]}

    def _is_put(self, state: LoopState, condition: Mapping[str, str]) -> bool:
        """False where somebody else was quicker."""
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=self.key,
                Body=state.to_json().encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if is_lost(error) or is_absent(error):
                return False
            raise
        return True


Part = TypeVar("Part")
_MOMENTS = ("since", "at", "asked", "started", "ended")


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"found a {type(value).__name__}; allowed: what JSON has, and moments")


def _read(part: type[Part], content: Mapping[str, Any] | None) -> Part | None:
    return None if content is None else part(**_values(content))


def _read_all(part: type[Part], contents: list[Mapping[str, Any]]) -> tuple[Part, ...]:
    return tuple(part(**_values(content)) for content in contents)


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as what they mean."""
    values = dict(content)
    values |= {name: datetime.fromisoformat(values[name]) for name in _MOMENTS if name in values}
    if "trigger" in values:
        values["trigger"] = Trigger(**{**values["trigger"], "kind": TriggerKind(values["trigger"]["kind"])})
    if "kind" in values:
        values["kind"] = TriggerKind(values["kind"])
    if "labels" in values:
        values["labels"] = values["labels"] and LabelCount(**values["labels"])
    if "outcome" in values:
        values["outcome"] = Outcome(values["outcome"])
    if "reasons" in values:
        values["reasons"] = tuple(Reason(**reason) for reason in values["reasons"])
    return values
