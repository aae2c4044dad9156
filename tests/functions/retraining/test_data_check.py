"""Broken and poisoned data stops a run before it is trained on; data that has honestly drifted does not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import model_packages
from functions.retraining.assembling import Assembler
from functions.retraining.data_check import (
    CHECK,
    DataCheck,
    against_the_champion,
    broken_values,
    far_away,
    flooded,
    left_out_by_fault,
    of_one_class,
    too_few_rows,
)
from functions.retraining.label_agreement import (
    CHANCE,
    Answered,
    Association,
    association,
    contradictions,
    promised_strength,
)
from functions.retraining.reference import Reference, read_reference
from functions.retraining.settings import RetrainingSettings
from model_packages.contract import Monitor, PackageConfig
from model_packages.interface import Interface, load_interface
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from model_packages.profile.learning import build_baseline
from model_packages.profile.quality import Labelled
from model_packages.profile.quality_baseline import build_quality_baseline
from model_packages.profile.quality_fields import QualityFields
from tests.functions.conftest import PACKAGES
from tests.functions.monitor.cloud import Cloud
from tests.functions.monitor.flowers import NOON, requests_of, responses_to
from tests.functions.retraining.garden import (
    EVENT,
    HOUR,
    OTHER,
    SETTINGS,
    base_records,
    cloud_with,
    config_with,
    label,
    predict,
    put_baseline,
)

CLASSES = QualityFields(
    form="class", prediction="species", label="species", metric="accuracy", classes=("crocus", "daisy")
)
TEN = QualityFields(
    form="class", prediction="digit", label="digit", metric="accuracy", classes=tuple(str(each) for each in range(10))
)
PROBABILITY = QualityFields(
    form="probability", prediction="probability", label="fraud", metric="roc_auc", positive="true"
)
NUMBER = QualityFields(form="number", prediction="minutes", label="minutes", metric="r2")


@pytest.fixture(scope="module")
def flowers() -> Iterator[Interface]:
    model_packages.__path__.append(str(PACKAGES))
    yield load_interface("flowers")
    model_packages.__path__.remove(str(PACKAGES))


@pytest.fixture(scope="module")
def baseline(flowers: Interface) -> Baseline:
    source = random.Random(1)  # noqa: S311 - the same at each run
    requests = requests_of(source, 2000)
    return build_baseline(flowers, requests=requests, responses=responses_to(source, requests))


@pytest.fixture(scope="module")
def quality() -> str:
    """A champion that errs once in twenty."""
    rows = [
        Labelled(str(number), {"species": name}, {"species": name if number % 20 else OTHER[name]})
        for number in range(2000)
        for name in ("daisy", "crocus")
    ]
    return build_quality_baseline(CLASSES, rows).to_json()


Fill = Callable[[Cloud], None]


def check(
    fill: Fill,
    baseline: Baseline | None = None,
    quality: str = "",
    *,
    base: Sequence[Mapping[str, Any]] | None = None,
    config: PackageConfig | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Assembles and checks what `fill` puts into a cloud: the answer, and what was written of it."""
    cloud = cloud_with(base)
    fill(cloud)
    settings = SETTINGS
    if baseline is not None:
        values = {name: getattr(SETTINGS, name) for name in RetrainingSettings.__dataclass_fields__}
        uri = put_baseline(cloud, baseline, quality)
        settings = RetrainingSettings(**{**values, "initial_baseline_uri": uri})
    parts: dict[str, Any] = {
        "s3": cloud.client(),
        "settings": settings,
        "config": config or config_with(),
        "interface": load_interface("flowers"),
    }
    data = Assembler(**parts).assemble(EVENT)
    answer = DataCheck(**parts).check({**EVENT, "data": data})
    return answer, cloud.json_at(f"flowers/runs/run-1/{CHECK}")


def hours_of(
    count: int = 6,
    rows: int = 100,
    *,
    longer_by: float = 0.0,
    flipped: Sequence[int] = (),
    wrong: float = 0.05,
    **kept: Any,
) -> Fill:
    """Labelled traffic of some hours, of which the labels of `flipped` are the wrong way round."""

    def fill(cloud: Cloud) -> None:
        for number in range(count):
            moment = NOON - number * HOUR
            source = random.Random(50 + number)  # noqa: S311 - the same at each run
            requests = [{**each, **kept} for each in requests_of(source, rows, longer_by=longer_by)]
            captures = predict(cloud, rows, at=moment, seed=number, wrong=wrong, requests=requests)
            label(cloud, captures, at=moment, flipped=number in flipped)

    return fill


def test_honest_data_passes(baseline: Baseline, quality: str) -> None:
    answer, _ = check(hours_of(), baseline, quality)

    assert answer == {"passed": True, "problems": []}


def test_data_that_has_drifted_passes_and_the_drift_is_noted(baseline: Baseline, quality: str) -> None:
    heavier = hours_of(longer_by=9.0, weight=400.0, colour="blue")

    answer, written = check(heavier, baseline, quality)

    assert answer == {"passed": True, "problems": []}
    assert any(note.startswith("weight: Range requirement is not met") for note in written["notes"])


def test_a_champion_that_has_become_useless_is_no_reason_to_stop(baseline: Baseline, quality: str) -> None:
    answer, _ = check(hours_of(wrong=0.5), baseline, quality)

    assert answer["passed"]


def test_without_any_labels_the_base_data_passes(baseline: Baseline) -> None:
    answer, _ = check(lambda _cloud: None, baseline)

    assert answer == {"passed": True, "problems": []}


def test_flipped_labels_stop_the_run(baseline: Baseline, quality: str) -> None:
    answer, _ = check(hours_of(flipped=range(6)), baseline, quality)

    assert not answer["passed"]
    assert "contradict the champion's answers in 600 of 600 captured rows (all)" in answer["problems"][0]
    assert "find out whether labels are sent the wrong way round" in answer["problems"][0]


def test_labels_that_were_flipped_for_some_hours_stop_the_run(baseline: Baseline, quality: str) -> None:
    answer, _ = check(hours_of(flipped=(2,)), baseline, quality)

    assert not answer["passed"]
    assert all("contradict" in problem for problem in answer["problems"])


def test_one_caller_s_flipped_labels_stop_the_run(baseline: Baseline, quality: str) -> None:
    def fill(cloud: Cloud) -> None:
        for number, caller in enumerate(["good", "good", "evil"] * 4):
            captures = predict(cloud, 50, at=NOON + timedelta(seconds=number), seed=number, caller=caller)
            label(cloud, captures, flipped=caller == "evil", name=f"{number}")

    answer, written = check(fill, baseline, quality)

    assert any("(of the caller evil)" in problem for problem in answer["problems"])
    assert any(note.startswith("the caller good made 6") for note in written["notes"])


def test_a_flood_of_one_record_stops_the_run(baseline: Baseline, quality: str) -> None:
    def fill(cloud: Cloud) -> None:
        hours_of()(cloud)
        moment = NOON - 10 * HOUR
        [same] = requests_of(random.Random(1), 1)  # noqa: S311 - the same at each run
        label(cloud, predict(cloud, 200, at=moment, seed=77, requests=[same] * 200, wrong=0), at=moment)

    answer, _ = check(fill, baseline, quality)

    assert [problem.split(";")[0] for problem in answer["problems"]] == [
        "one labelled record makes 200 of 800 captured ones"
    ]


def test_labels_of_one_class_stop_the_run(baseline: Baseline, quality: str) -> None:
    def fill(cloud: Cloud) -> None:
        label(cloud, predict(cloud, 200), species="daisy")

    answer, _ = check(fill, baseline, quality)

    assert any("all 200 captured labels have species = daisy" in problem for problem in answer["problems"])


def test_values_that_have_gone_missing_stop_the_run(baseline: Baseline, quality: str) -> None:
    answer, _ = check(hours_of(weight=None), baseline, quality)

    assert any("weight has no value in" in problem for problem in answer["problems"])


def test_a_value_beyond_what_the_package_states_stops_the_run(baseline: Baseline, quality: str) -> None:
    monitor = Monitor.model_validate({"fields": {"weight": {"maximum": 50.0}}})
    config = config_with().model_copy(update={"monitor": monitor})

    answer, _ = check(hours_of(weight=400.0), baseline, quality, config=config)

    assert any("weight is out of the range that is stated" in problem for problem in answer["problems"])


def test_base_data_that_is_broken_stops_the_run(baseline: Baseline, quality: str) -> None:
    broken = [{**record, "request": {**record["request"], "petals": "34"}} for record in base_records()]

    answer, _ = check(hours_of(), baseline, quality, base=broken)

    assert any(
        problem.startswith("base data: petals is of another type in 160 of 160") for problem in answer["problems"]
    )


def test_faulty_labels_stop_the_run(baseline: Baseline, quality: str) -> None:
    def fill(cloud: Cloud) -> None:
        hours_of()(cloud)
        moment = NOON - timedelta(minutes=30)
        label(cloud, predict(cloud, 100, at=moment, seed=77), at=moment, species="rose", name="roses")

    answer, _ = check(fill, baseline, quality)

    assert any(
        "100 of 700 labelled captures are faulty (100 label-not-of-schema)" in each for each in answer["problems"]
    )


def test_captures_of_an_earlier_schema_do_not_stop_the_run(baseline: Baseline, quality: str) -> None:
    def fill(cloud: Cloud) -> None:
        hours_of()(cloud)
        moment = NOON - 20 * HOUR
        requests = [{"petals": 34, "height_in_inches": 3.0}] * 100
        label(cloud, predict(cloud, 100, at=moment, seed=77, requests=requests), at=moment)

    answer, _ = check(fill, baseline, quality)

    assert answer["passed"]


def test_without_a_baseline_of_this_schema_one_is_learnt_from_the_base_data(flowers: Interface) -> None:
    passed, _ = check(hours_of())
    stopped, _ = check(hours_of(weight=None))

    assert passed["passed"]
    assert any("weight has no value in" in problem for problem in stopped["problems"])


def test_a_champion_of_the_loop_is_compared_with_by_its_own_baseline(
    flowers: Interface, baseline: Baseline, quality: str
) -> None:
    cloud = Cloud()
    folder = "flowers/runs/before/evaluation/baseline"
    cloud.put(f"{folder}/baseline.json", baseline.to_json().encode())
    cloud.put(f"{folder}/quality.json", quality.encode())
    model = "s3://artifacts/flowers/runs/before/job/output/model.tar.gz"

    found = read_reference(
        {"arn": "version/1", "model_uri": model},
        s3=cloud.client(),
        settings=SETTINGS,
        interface=flowers,
        monitor=Monitor(),
        base_requests=lambda: [],
    )

    assert found.baseline.identity == baseline.identity
    assert promised_strength(found.quality, CLASSES) == pytest.approx(0.9)


def test_the_same_data_gives_the_same_answer(baseline: Baseline, quality: str) -> None:
    assert check(hours_of(flipped=(1,)), baseline, quality) == check(hours_of(flipped=(1,)), baseline, quality)


def test_what_is_written_quotes_no_request(baseline: Baseline, quality: str) -> None:
    marked = [{**record, "request": {**record["request"], "note": "SECRET"}} for record in base_records()]

    _, written = check(hours_of(note="SECRET", weight=None), baseline, quality, base=marked)

    assert written["problems"]
    assert "SECRET" not in str(written)


@pytest.mark.parametrize(("training", "holdout", "problems"), [(20, 20, 0), (19, 20, 1), (20, 19, 1), (0, 0, 2)])
def test_too_few_rows_are_told(training: int, holdout: int, problems: int) -> None:
    assert len(list(too_few_rows(training=training, holdout=holdout))) == problems


def test_a_few_faulty_labels_are_nobody_s_worry() -> None:
    assert list(left_out_by_fault({"label-not-of-schema": 30}, kept=970, maximum_percent=5.0)) == []
    assert list(left_out_by_fault({"prediction-not-captured": 900}, kept=100, maximum_percent=5.0)) == []


@pytest.mark.parametrize(("found", "stops"), [(50, False), (60, False), (120, True)])
def test_a_share_that_chance_explains_does_not_stop_a_run(baseline: Baseline, found: int, *, stops: bool) -> None:
    requests = requests_of(random.Random(3), 1000)  # noqa: S311 - the same at each run
    rows = [{"request": {**each, "petals": "x"} if place < found else each} for place, each in enumerate(requests)]
    tally = fold(baseline, rows)

    problems = list(broken_values(baseline, tally, where="captured", maximum_percent=5.0))

    assert bool(problems) is stops


def test_ranges_that_were_only_seen_are_not_stated_ones(baseline: Baseline, flowers: Interface) -> None:
    stated = Reference(baseline, None).stated(flowers, Monitor())

    limits = {field.name: field.constraints for field in stated.fields if field.side == "request"}
    assert [limits["weight"].minimum, limits["weight"].maximum] == [None, None]
    assert [limits["petals"].minimum, limits["petals"].maximum] == [0, 200]
    assert [limits["height"].minimum, limits["height"].maximum] == [0.0, 500.0]


def test_what_repeats_in_the_base_data_may_repeat_in_the_captures() -> None:
    assert list(flooded(400, rows=1000, base_share=0.0))
    assert not list(flooded(400, rows=1000, base_share=0.3))
    assert not list(flooded(1, rows=5, base_share=0.0))
    assert not list(flooded(0, rows=0, base_share=0.0))


def test_one_class_is_no_wonder_where_the_other_is_rare() -> None:
    fraud = {"false": 9700, "true": 300}

    assert not list(of_one_class(fraud, {"false": 100}, label="fraud"))
    assert list(of_one_class(fraud, {"false": 1000}, label="fraud"))
    assert list(of_one_class(fraud, {"true": 20}, label="fraud"))
    assert not list(of_one_class(fraud, {"false": 900, "true": 1}, label="fraud"))
    assert not list(of_one_class(fraud, {}, label="fraud"))


def test_another_unit_is_told_and_longer_deliveries_are_not() -> None:
    minutes = [float(each) for each in range(10, 60)]

    assert list(far_away(minutes, [each * 60 for each in minutes], label="minutes"))
    assert not list(far_away(minutes, [each + 40 for each in minutes], label="minutes"))
    assert not list(far_away(minutes, [], label="minutes"))


def scored(count: int, *, fraud: float, auc_gap: float, seed: int) -> list[Answered]:
    """Answers of a champion whose scores of frauds are `auc_gap` deviations above the others'."""
    draw = np.random.default_rng(seed)
    labels = draw.random(count) < fraud
    logits = draw.normal(size=count) + auc_gap * labels
    return [Answered(1 / (1 + math.exp(-each)), bool(label), "") for each, label in zip(logits, labels, strict=True)]


def digits(count: int, *, right: float, seed: int, renamed: int = 0) -> list[Answered]:
    """Answers that are right in a share, with labels that are called by the digit `renamed` further on."""
    draw = np.random.default_rng(seed)
    truths = draw.integers(10, size=count)
    answers = np.where(draw.random(count) < right, truths, draw.integers(10, size=count))
    return [
        Answered(int(answer), int((truth + renamed) % 10), "") for answer, truth in zip(answers, truths, strict=True)
    ]


def minutes(count: int, *, noise: float, seed: int, sign: float = 1.0) -> list[Answered]:
    draw = np.random.default_rng(seed)
    truths = draw.normal(size=count)
    answers = truths + noise * draw.normal(size=count)
    return [Answered(float(answer), float(sign * truth), "") for answer, truth in zip(answers, truths, strict=True)]


def flipped(rows: Sequence[Answered], *, share: float, seed: int = 0) -> list[Answered]:
    draw = random.Random(seed)  # noqa: S311 - the same at each run
    return [row._replace(label=not row.label) if draw.random() < share else row for row in rows]


def is_stopped(fields: QualityFields, rows: Sequence[Answered], *, promised: float) -> bool:
    return bool(list(against_the_champion(fields, rows, promised=promised, maximum_percent=5.0)))


@pytest.mark.parametrize("rows", [200, 2000])
@pytest.mark.parametrize("fraud", [0.05, 0.5])
def test_flipped_probabilities_are_found_also_where_a_class_is_rare(rows: int, fraud: float) -> None:
    honest = scored(rows, fraud=fraud, auc_gap=2.0, seed=1)

    assert not is_stopped(PROBABILITY, honest, promised=0.84)
    assert is_stopped(PROBABILITY, flipped(honest, share=1.0), promised=0.84)


@pytest.mark.parametrize(("share", "stops"), [(0.9, True), (0.3, False)])
def test_most_labels_have_to_be_flipped_to_be_found(share: float, *, stops: bool) -> None:
    honest = scored(2000, fraud=0.5, auc_gap=2.0, seed=1)

    assert is_stopped(PROBABILITY, flipped(honest, share=share), promised=0.84) is stops


def test_renamed_classes_are_found_and_bad_models_are_not() -> None:
    assert is_stopped(TEN, digits(500, right=0.95, renamed=1, seed=1), promised=0.94)
    assert not is_stopped(TEN, digits(500, right=0.95, seed=1), promised=0.94)
    assert not is_stopped(TEN, digits(5000, right=0.1, seed=1), promised=0.94)
    stuck = [row._replace(prediction=8) for row in digits(500, right=1.0, seed=1)]
    assert not is_stopped(TEN, stuck, promised=0.94)


def test_numbers_with_the_wrong_sign_are_found() -> None:
    assert is_stopped(NUMBER, minutes(200, noise=0.3, sign=-1.0, seed=1), promised=0.95)
    assert not is_stopped(NUMBER, minutes(200, noise=0.3, seed=1), promised=0.95)


def test_a_weak_contradiction_is_drift_and_no_mistake() -> None:
    rows = scored(20_000, fraud=0.5, auc_gap=-0.3, seed=1)

    found = association(PROBABILITY, rows)

    assert found is not None
    assert found.score < -10
    assert not is_stopped(PROBABILITY, rows, promised=0.9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "draw"),
    [
        (PROBABILITY, lambda seed: scored(400, fraud=0.05, auc_gap=0.0, seed=seed)),
        (TEN, lambda seed: digits(400, right=0.0, seed=seed)),
        (NUMBER, lambda seed: minutes(400, noise=1e6, seed=seed)),
    ],
    ids=["probability", "classes", "number"],
)
def test_labels_that_have_nothing_to_do_with_the_answers_stop_a_run_as_rarely_as_stated(
    fields: QualityFields, draw: Callable[[int], list[Answered]]
) -> None:
    runs = 1000

    stops = sum(is_stopped(fields, draw(seed), promised=0.0) for seed in range(runs))

    assert stops <= 5 * runs * CHANCE


def test_small_groups_of_rows_are_not_judged() -> None:
    honest = scored(1000, fraud=0.5, auc_gap=3.0, seed=1)
    some = [row._replace(caller="a" if place % 25 else "b") for place, row in enumerate(honest)]
    wrong = [row._replace(label=not row.label) if row.caller == "b" else row for row in some]

    assert contradictions(PROBABILITY, wrong, promised=0.9, least_share=0.05) == []
    assert [each.group for each in contradictions(PROBABILITY, wrong, promised=0.9, least_share=0.01)] == [
        "of the caller b"
    ]


def test_rows_that_cannot_be_judged_are_passed_over() -> None:
    rows = [
        Answered(prediction, label, "") for prediction, label in ((None, 1), ("high", 1), (0.5, None), (math.nan, 1))
    ]

    assert contradictions(PROBABILITY, rows * 30, promised=0.9, least_share=0.05) == []


@pytest.mark.parametrize("fields", [PROBABILITY, CLASSES, NUMBER])
def test_constant_answers_have_no_association(fields: QualityFields) -> None:
    rows = [Answered(1, number % 2, "") for number in range(50)]

    assert association(fields, rows) is None


def test_an_association_is_as_large_as_it_can_be() -> None:
    rows = [Answered(number % 2 == 0, number % 2 == 0, "") for number in range(100)]
    opposite = [row._replace(label=not row.label) for row in rows]

    same, other = association(CLASSES, rows), association(CLASSES, opposite)

    assert same is not None
    assert other is not None
    assert (same.value, same.strength) == pytest.approx((1.0, 1.0))
    assert (other.value, other.strength) == pytest.approx((-1.0, 1.0))
    assert other.score == pytest.approx(-same.score)


@pytest.mark.parametrize("fields", [PROBABILITY, TEN, NUMBER])
def test_scores_are_standard_deviations_of_chance(fields: QualityFields) -> None:
    rows = {
        PROBABILITY: scored(60, fraud=0.3, auc_gap=0.0, seed=1),
        TEN: digits(60, right=0.3, seed=1),
        NUMBER: minutes(60, noise=5.0, seed=1),
    }[fields]
    draw = random.Random(1)  # noqa: S311 - the same at each run

    def dealt_out_anew() -> Association:
        labels = draw.sample([row.label for row in rows], len(rows))
        found = association(fields, [row._replace(label=each) for row, each in zip(rows, labels, strict=True)])
        assert found is not None
        return found

    scores = np.array([dealt_out_anew().score for _ in range(1500)])

    assert abs(scores.mean()) < 0.1
    assert 0.93 < scores.std() < 1.07


def test_a_champion_s_holdout_promises_an_association() -> None:
    good = [Labelled(str(number), {"digit": number % 10}, {"digit": number % 10}) for number in range(100)]
    promise = build_quality_baseline(TEN, good)

    assert promised_strength(promise, TEN) == pytest.approx(1.0)
    assert promised_strength(None, TEN) == 0.0
    assert promised_strength(promise, NUMBER) == 0.0
