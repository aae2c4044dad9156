"""A run of the monitor tells what labels say: in the window that it closes, in its metrics, and exactly once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.shared import layout
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.cloud import Cloud, Died, When
from tests.functions.monitor.flowers import ENDPOINT, NOON
from tests.functions.monitor.runs import capture, cloud_with, event_at, monitor_on
from tests.functions.monitor.test_exactly_once import Dying, calls_of
from tests.functions.monitor.test_labels import label

LATER = NOON + timedelta(hours=1)


def labelled(baseline: Baseline) -> Cloud:
    """A cloud with 200 captured predictions, of which a quarter were wrong."""
    cloud = cloud_with(baseline)
    label(cloud, capture(cloud, 200), wrong=50)
    return cloud


def test_a_window_tells_the_live_quality(baseline: Baseline) -> None:
    cloud = labelled(baseline)

    run = monitor_on(cloud).handle(event_at(LATER))

    assert run.window is not None
    document = cloud.json_at(f"{layout.window_prefix(ENDPOINT, run.window)}window.json")
    assert (document["quality"]["metric"], document["quality"]["value"]) == ("accuracy", 0.75)
    assert document["quality"]["labelled_rows"] == 200
    assert (cloud.values_of("LiveQuality"), cloud.values_of("LabelledRows")) == ([0.75], [200])
    assert cloud.json_at(layout.quality_key(ENDPOINT, NOON))["rows"] == 200


def test_a_window_without_labels_has_no_quality(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 200)

    run = monitor_on(cloud).handle(event_at(LATER))

    assert run.window is not None
    assert cloud.json_at(f"{layout.window_prefix(ENDPOINT, run.window)}window.json")["quality"] is None
    assert (cloud.values_of("LiveQuality"), cloud.values_of("LabelledRows")) == ([], [0])


def test_labels_are_told_between_windows_too(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    records = capture(cloud, 200)
    monitor_on(cloud).handle(event_at(LATER))
    label(cloud, records, wrong=20)

    run = monitor_on(cloud).handle(event_at(LATER + timedelta(hours=1)))

    assert run.outcome == "open"
    assert (cloud.values_of("LiveQuality"), cloud.values_of("LabelledRows")) == ([0.9], [0, 200])


def test_the_next_window_tells_the_quality_of_labels_that_came_between(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    records = capture(cloud, 200)
    monitor_on(cloud).handle(event_at(LATER))
    label(cloud, records, wrong=20)
    monitor_on(cloud).handle(event_at(LATER + timedelta(hours=1)))

    windows = []
    for number in (1, 2):
        moment = LATER + timedelta(hours=2 * number)
        capture(cloud, 200, time=moment - timedelta(minutes=5), seed=number)
        windows.append(monitor_on(cloud).handle(event_at(moment)).window or "none was closed")

    told, silent = (cloud.json_at(f"{layout.window_prefix(ENDPOINT, window)}window.json") for window in windows)
    assert told["quality"]["value"] == 0.9
    assert silent["quality"] is None
    assert cloud.values_of("LiveQuality") == [0.9]


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_a_run_dies_the_next_one_tells_each_label_once(baseline: Baseline, when: When) -> None:
    whole = labelled(baseline)
    calls = calls_of(lambda watch: monitor_on(whole.client(watch)).handle(event_at(LATER)))

    for at in range(calls):
        cloud = labelled(baseline)
        with pytest.raises(Died):
            monitor_on(cloud.client(Dying(at=at, when=when))).handle(event_at(LATER))
        monitor_on(cloud).handle(event_at(LATER))

        assert set(cloud.values_of("LabelledRows")) <= {0, 200}, f"died {when} call {at}"
        assert 200 in cloud.values_of("LabelledRows"), f"died {when} call {at}"
        quality = layout.quality_key(ENDPOINT, NOON)
        assert cloud.objects[quality] == whole.objects[quality], f"died {when} call {at}"
