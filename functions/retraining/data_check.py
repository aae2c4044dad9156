"""Stops a run whose data is broken or poisoned, before anything is trained on it. Each check is a function from counts
to sentences: what was found, what is allowed, what to do. That data has drifted is no reason to stop: it is the reason
for the run (docs/decisions/training-data-check.md).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from functions.monitor.objects import Bucket, parse_uri
from functions.monitor.violations import Counted, Records, find_violations
from functions.retraining.assembling import BASE, CAPTURED, HOLDOUT, LEAST_HOLDOUT_ROWS, ORIGINS
from functions.retraining.label_agreement import CHANCE, Answered, contradictions, promised_strength
from functions.retraining.labelled import FAULTS
from functions.retraining.reading import Counting, Part, lines_of, read_parts
from functions.retraining.reference import Reference, read_reference
from functions.retraining.settings import RetrainingSettings
from functions.shared import layout
from model_packages.contract import PackageConfig
from model_packages.interface import Interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.quality_fields import QualityFields, quality_fields
from model_packages.profile.tally import Tally

CHECK = "check.json"
"""In the artifacts bucket, beside the manifest: the problems, and what was only noted."""
LEAST_TRAINING_ROWS = 20
LEARNT_ROWS = 50_000
"""Of the base data, a baseline is learnt from about as many, where the champion has none."""
LARGEST_REPEATED_SHARE = 0.1
"""Of the captured records may be the same one, or twice the share that the base data has of one."""
LARGEST_FAR_SHARE = 0.5
"""Of the captured labels of a regression may be far from all that the base data has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check came to."""

    problems: tuple[str, ...]
    """Any stops the run."""
    notes: tuple[str, ...]
    """Worth reading, and no reason to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCheck:
    """The step `check`."""

    s3: Any
    settings: RetrainingSettings
    config: PackageConfig
    interface: Interface

    def check(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Whether the data may be trained on, and if not, why. Called again, the same answer."""
        bucket, key = parse_uri(event["data"]["manifest_uri"])
        manifest = json.loads(Bucket(self.s3, bucket).get(key))
        found = self.judge(manifest, endpoint_run=event["run"])
        document = {"passed": not found.problems, "problems": found.problems, "notes": found.notes}
        content = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        Bucket(self.s3, bucket).put(f"{key.rpartition('/')[0]}/{CHECK}", content.encode())
        return {"passed": not found.problems, "problems": list(found.problems)}

    def judge(self, manifest: Mapping[str, Any], *, endpoint_run: str) -> Found:
        """What the files that the manifest is of come to."""
        prefix = layout.dataset_prefix(self.settings.endpoint_name, endpoint_run)
        contents = {
            name: Bucket(self.s3, self.settings.captures_bucket).get(prefix + name)
            for name in (BASE, CAPTURED, HOLDOUT, ORIGINS)
        }
        fields = quality_fields(self.interface, self.config)
        reference = self._reference(manifest, contents[BASE])
        counting = Counting(
            stated=reference.stated(self.interface, self.config.monitor),
            learnt=reference.baseline,
            fields=fields,
        )
        is_captured = manifest["holdout"]["of"] == "captured"
        parts = read_parts(
            counting,
            base=contents[BASE],
            training=contents[CAPTURED],
            holdout=contents[HOLDOUT],
            origins=contents[ORIGINS],
            holdout_is_captured=is_captured,
        )
        percent = self.config.retraining.maximum_wrong_percent
        problems = [
            *too_few_rows(training=parts.base.rows + parts.training.rows, holdout=parts.holdout.rows),
            *left_out_by_fault(manifest["captured"]["left_out"], kept=parts.captured.rows, maximum_percent=percent),
            *(
                sentence
                for name, part in parts.by_name.items()
                for sentence in broken_values(counting.stated, part.stated, where=name, maximum_percent=percent)
            ),
            *flooded(parts.captured.most_repeated, rows=parts.captured.rows, base_share=parts.base.repeated_share),
        ]
        notes = list(drifted(counting.learnt, parts.captured.learnt, self.config))
        if fields is not None:
            promised = promised_strength(reference.quality, fields)
            problems += label_problems(
                fields, base=parts.base, captured=parts.captured, promised=promised, maximum_percent=percent
            )
            notes += label_notes(fields, base=parts.base, captured=parts.captured)
        notes += caller_notes(parts.captured.answered)
        return Found(problems=tuple(problems), notes=tuple(notes))

    def _reference(self, manifest: Mapping[str, Any], base: bytes) -> Reference:
        rows = manifest["files"][BASE]["rows"]
        return read_reference(
            manifest.get("champion"),
            s3=self.s3,
            settings=self.settings,
            interface=self.interface,
            monitor=self.config.monitor,
            base_requests=lambda: [
                record["request"] for record in islice(lines_of(base), 0, None, 1 + rows // LEARNT_ROWS)
            ],
        )


def too_few_rows(*, training: int, holdout: int) -> Iterator[str]:
    """Nothing can be learnt, or nothing be told of what was learnt."""
    for name, found, least in (
        ("training", training, LEAST_TRAINING_ROWS),
        ("the holdout", holdout, LEAST_HOLDOUT_ROWS),
    ):
        if found < least:
            yield f"{name} has {found} records; allowed: {least} or more; add records to training.data, or send labels"


def left_out_by_fault(left_out: Mapping[str, int], *, kept: int, maximum_percent: float) -> Iterator[str]:
    """Labelled captures that were left out because something is wrong with them, whichever it is."""
    faults = {reason: left_out[reason] for reason in FAULTS if left_out.get(reason)}
    counted = _beyond(sum(faults.values()), rows=kept + sum(faults.values()), percent=maximum_percent)
    if counted.too_many:
        reasons = ", ".join(f"{count} {reason}" for reason, count in faults.items())
        yield (
            f"{counted.found} of {counted.rows} labelled captures are faulty ({reasons}); {_allowed(maximum_percent)}; "
            "find out who writes below labels/ and captures/ beside the gateway and the endpoint"
        )


def broken_values(stated: Baseline, tally: Tally, *, where: str, maximum_percent: float) -> Iterator[str]:
    """Fields with values that the schema or package.toml rules out, or without values that were always there.

    `stated` has no range that was only seen in the data.
    """
    for index, field in enumerate(stated.fields):
        if field.side != "request" or not tally.rows:
            continue
        wrong = {
            "of another type": int(tally.wrong_type[index]),
            "out of the range that is stated": int(tally.out_of_range[index]),
            "of a category that is not stated": int(tally.unknown[index]),
        }
        for words, found in wrong.items():
            counted = _beyond(found, rows=tally.rows, percent=maximum_percent)
            if counted.too_many:
                yield (
                    f"{where}: {field.name} is {words} in {found} of {tally.rows} records; "
                    f"{_allowed(maximum_percent)}; mend what sends it, or change monitor.fields.{field.name} in "
                    "package.toml"
                )
        absent = Counted(
            found=int(tally.missing[index]),
            rows=tally.rows,
            expected=min(1.0, 1 - field.constraints.completeness + maximum_percent / 100),
            baseline_rows=0,
            stated=True,
        )
        if absent.too_many:
            yield (
                f"{where}: {field.name} has no value in {absent.found} of {absent.rows} records; allowed: "
                f"{100 * absent.expected:.4g}%; mend what sends it, or state "
                f"monitor.fields.{field.name}.completeness in package.toml"
            )


def flooded(most_repeated: int, *, rows: int, base_share: float) -> Iterator[str]:
    """One and the same record, request and label, again and again."""
    share = max(LARGEST_REPEATED_SHARE, 2 * base_share)
    counted = Counted(found=most_repeated, rows=rows, expected=min(1.0, share), baseline_rows=0, stated=True)
    if counted.too_many:
        yield (
            f"one labelled record makes {most_repeated} of {rows} captured ones; allowed: {100 * share:.4g}%; "
            "find out who sends the same request over and over, and label only what is traffic"
        )


def label_problems(
    fields: QualityFields, *, base: Part, captured: Part, promised: float, maximum_percent: float
) -> Iterator[str]:
    """What is wrong with the captured labels as a whole."""
    if fields.form == "number":
        yield from far_away(base.numbers, captured.numbers, label=fields.label)
    else:
        yield from of_one_class(base.classes, captured.classes, label=fields.label)
    yield from against_the_champion(fields, captured.answered, promised=promised, maximum_percent=maximum_percent)


def of_one_class(base: Mapping[str, int], captured: Mapping[str, int], *, label: str) -> Iterator[str]:
    """All labels the same where, by the base data's shares, chance would hardly ever do it."""
    total = sum(base.values())
    if len(captured) != 1 or len(base) < 2:
        return
    [(only, count)] = captured.items()
    share = base.get(only, 0) / total
    if share == 0 or count * math.log(share) < math.log(CHANCE):
        yield (
            f"all {count} captured labels have {label} = {only}, which {100 * share:.4g}% of the base data have; "
            f"allowed: labels of {len(base)} classes; find out why the others are not labelled"
        )


def far_away(base: Sequence[float], captured: Sequence[float], *, label: str) -> Iterator[str]:
    """Numbers that are further from the base data's range than that is wide, as when a unit has changed."""
    if not len(base) or not len(captured):
        return
    low, high = min(base), max(base)
    width = high - low
    values = np.asarray(captured, float)
    far = int(((values < low - width) | (values > high + width)).sum())
    counted = Counted(found=far, rows=len(values), expected=LARGEST_FAR_SHARE, baseline_rows=0, stated=True)
    if counted.too_many:
        yield (
            f"{label} is below {low - width:.4g} or above {high + width:.4g} in {far} of {len(values)} captured "
            f"labels; allowed: {100 * LARGEST_FAR_SHARE:.4g}%, since the base data has {low:.4g} to {high:.4g}; "
            "find out whether its unit has changed"
        )


def against_the_champion(
    fields: QualityFields, answered: Sequence[Answered], *, promised: float, maximum_percent: float
) -> Iterator[str]:
    """Labels that say the opposite of what the champion answered, and not just something else."""
    least_share = maximum_percent / 100
    for found in contradictions(fields, answered, promised=promised, least_share=least_share):
        yield (
            f"labels contradict the champion's answers in {found.rows} of {len(answered)} captured rows "
            f"({found.group}): found an association of {found.association.value:.2f} between {fields.prediction} and "
            f"{fields.label}, where its holdout has {promised:.2f}; allowed: none that is surely below 0; "
            "find out whether labels are sent the wrong way round"
        )


def drifted(learnt: Baseline, tally: Tally, config: PackageConfig) -> Iterator[str]:
    """What the monitor would call a violation of the captured requests."""
    for each in find_violations(learnt, tally, monitor=config.monitor, records=Records(records=tally.rows)):
        yield f"{each.feature_name}: {each.description}"


def label_notes(fields: QualityFields, *, base: Part, captured: Part) -> Iterator[str]:
    """How the mix of the labels has moved."""
    before, now = sum(base.classes.values()), sum(captured.classes.values())
    for name in sorted({*base.classes, *captured.classes}):
        if before and now:
            share, expected = captured.classes[name] / now, base.classes[name] / before
            yield f"{fields.label} is {name} in {share:.1%} of the captured labels, {expected:.1%} in the base data"


def caller_notes(answered: Sequence[Answered]) -> Iterator[str]:
    """Who most of the labelled predictions were made for."""
    callers = Counter(row.caller for row in answered if row.caller)
    for caller, rows in callers.most_common(1):
        share = rows / len(answered)
        yield f"the caller {caller} made {share:.1%} of the labelled predictions, of {len(callers)} callers"


def _beyond(found: int, *, rows: int, percent: float) -> Counted:
    return Counted(found=found, rows=rows, expected=percent / 100, baseline_rows=0, stated=True)


def _allowed(percent: float) -> str:
    return f"allowed: {percent:g}% (retraining.maximum_wrong_percent)"
