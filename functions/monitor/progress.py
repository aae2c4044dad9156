"""How the monitor's state goes on: begins, meets another version, takes in what was folded, closes a window. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from functions.monitor.baselines import Champion
from functions.monitor.coverage import complete_until
from functions.monitor.folding import Folded, Reading, kept
from functions.monitor.listing import LATE_WATCH, CapturedFile, horizon_of
from functions.monitor.seen import Seen
from functions.monitor.state import State
from functions.monitor.window import Closed
from functions.shared import layout
from model_packages.profile.baseline import Baseline
from model_packages.profile.tally import Tally

FIRST_LOOK = timedelta(hours=24)
"""How far back the first run looks. It is written down at once, so that a run which then fails loses nothing."""
BYTES_PER_ROW = 700.0
"""Assumed until files were read."""
TELLING_ROWS = 100
"""From so many rows on, files tell how large a row is."""


def beginning(now: datetime, *, late: timedelta) -> State:
    """Before anything was read."""
    first = now - FIRST_LOOK
    return State(
        watermark=first,
        opened=first,
        covered=complete_until(now),
        seen=Seen(files_since=horizon_of(first, late=late)),
    )


def facing(state: State, *, champion: Champion, baseline: Baseline) -> State:
    """The state against this version's baseline: what was counted on other cells cannot be added to, and is set aside.

    Another version begins without evidence.
    """
    is_new = state.version != champion.arn
    begun = replace(state, version=champion.arn, detectors={} if is_new else state.detectors)
    if state.tally is None or is_on(baseline, Tally.from_bytes(state.tally)):
        return begun
    return replace(begun, tally=None, examples=(), reading=Reading(), set_aside=state.set_aside + state.reading.rows)


def is_on(baseline: Baseline, tally: Tally) -> bool:
    """Whether the tally's cells are the baseline's."""
    return tally.baseline == baseline.identity


def absorbing(
    state: State,
    folded: Folded,
    *,
    files: Iterable[CapturedFile],
    baseline: Baseline,
    listed: datetime,
    late: timedelta,
) -> State:
    """With what was folded from `files`, which were listed at `listed`: they are read, and their records known."""
    watermark, reading = max(state.watermark, listed), folded.reading
    seen = state.seen.with_files(_keys_by_hour(files)).with_records(folded.digests)
    known = replace(
        state,
        watermark=watermark,
        seen=seen.since(
            files_hour=horizon_of(watermark - LATE_WATCH, late=late), records_hour=horizon_of(watermark, late=late)
        ),
        by_hour={
            hour: state.by_hour.get(hour, 0) + reading.by_hour.get(hour, 0)
            for hour in {*state.by_hour, *reading.by_hour}
        },
        bytes_per_row=reading.size_bytes / reading.rows if reading.rows >= TELLING_ROWS else state.bytes_per_row,
    )
    if not is_on(baseline, folded.tally):  # another version became champion while a job folded
        return replace(known, set_aside=state.set_aside + reading.rows)
    return replace(
        known,
        tally=_sum(state.tally, folded.tally) if reading.rows else state.tally,
        reading=state.reading + replace(reading, by_hour={}),
        examples=tuple(kept([*state.examples, *folded.examples])),
    )


def closing(state: State, closed: Closed, *, at: datetime) -> State:
    """With the window closed and the next one begun."""
    return replace(
        state,
        sequence=state.sequence + 1,
        opened=at,
        tally=None,
        examples=(),
        reading=Reading(),
        set_aside=0,
        detectors=closed.detectors,
        history=closed.history,
    )


def covering(state: State, *, until: datetime) -> State:
    """With the hours before `until` judged."""
    horizon = layout.hour_path(until)
    by_hour = {hour: count for hour, count in state.by_hour.items() if hour >= horizon}
    return replace(state, covered=until, by_hour=by_hour)


def expected_rows(state: State, *, size_bytes: int) -> float:
    """About how many rows the open window has with files of this size."""
    return state.reading.rows + size_bytes / (state.bytes_per_row or BYTES_PER_ROW)


def _sum(kept_tally: bytes | None, added: Tally) -> bytes:
    return (added if kept_tally is None else Tally.from_bytes(kept_tally) + added).to_bytes()


def _keys_by_hour(files: Iterable[CapturedFile]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for file in files:
        keys[file.hour].append(file.key)
    return keys
