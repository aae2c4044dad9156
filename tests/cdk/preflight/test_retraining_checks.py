"""A retraining loop that could not do what it is for is found by its id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdk.preflight import retraining
from tests.cdk.preflight.templates import Flowers, Json, stack

MONTHLY = {"requests_per_month": 1000}


@pytest.mark.parametrize(
    ("sections", "ids"),
    [
        ({}, set()),
        ({"capture": {"percent": 0}}, {"retraining-without-captures"}),
        ({"capture": {"percent": 0}, "retraining": {"triggers": ()}}, set()),
        ({"budget": MONTHLY, "retraining": {"minimum_labels": 900}}, set()),
        ({"budget": MONTHLY, "retraining": {"minimum_labels": 1100}}, {"retraining-out-of-reach"}),
        ({"budget": MONTHLY, "capture": {"percent": 20}}, {"retraining-out-of-reach"}),
        ({"budget": MONTHLY, "monitor": {"label_days": 7}}, {"retraining-out-of-reach"}),
        ({"retraining": {"minimum_labels": 1_000_000}}, set()),
        ({"retraining": {"approval": True}}, {"approval-unheard"}),
        ({"training": {"instance_type": "ml.p4d.24xlarge"}}, set()),
        (
            {"training": {"instance_type": "ml.p4d.24xlarge"}, "endpoint": {"instance_type": "ml.c6i.large"}},
            {"evaluation-instance-type"},
        ),
    ],
)
def test_what_a_package_asks_of_its_loop_is_found_where_it_cannot_be(
    flowers: Flowers, sections: dict[str, Any], ids: set[str]
) -> None:
    assert {each for each in flowers.having(sections=sections).ids() if is_ours(each)} == ids


def test_an_approval_that_somebody_hears_of_is_none(flowers: Flowers) -> None:
    installation = flowers.having(sections={"retraining": {"approval": True}}).installation()
    subscription: Json = {"Mail": {"Type": "AWS::SNS::Subscription", "Properties": {}}}
    topic = stack({"Resources": subscription}, name="flyball-topic")

    found = list(retraining.check(replace(installation, stacks=(*installation.stacks, topic))))

    assert found == []


def is_ours(rule_id: str) -> bool:
    return rule_id.startswith(("retraining-", "approval-", "evaluation-"))
