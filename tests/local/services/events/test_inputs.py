"""What of an event a target gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.services.events.inputs import InputRefused, Surroundings, target_input

AROUND = Surroundings("arn:rule", "nightly", "2026-01-01T00:00:00Z")
EVENT: dict[str, Any] = {
    "version": "0",
    "detail-type": "SageMaker Endpoint State Change",
    "source": "aws.sagemaker",
    "time": "2026-01-01T00:00:00Z",
    "detail": {"EndpointName": "flyball-payments", "ProductionVariants": [{"VariantName": 'the "main" one'}], "n": 3},
}


def delivered(**target: Any) -> str:
    return target_input({"Id": "1", "Arn": "arn", **target}, EVENT, AROUND)


def test_without_more_a_target_gets_the_whole_event() -> None:
    assert json.loads(delivered()) == EVENT


def test_a_constant_is_delivered_as_it_is_written() -> None:
    assert delivered(Input='{"window": 1}') == '{"window": 1}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", EVENT),
        ("$.detail", EVENT["detail"]),
        ("$.detail-type", "SageMaker Endpoint State Change"),
        ("$['detail-type']", "SageMaker Endpoint State Change"),
        ("$.detail.ProductionVariants[0].VariantName", 'the "main" one'),
        ("$.detail.absent", None),
        ("$.detail.ProductionVariants[7]", None),
    ],
)
def test_a_path_picks_a_part(path: str, expected: object) -> None:
    assert json.loads(delivered(InputPath=path)) == expected


@pytest.mark.parametrize("path", ["detail", "$..detail", "$.detail.*", "$.detail[?(@.n > 1)]"])
def test_what_is_no_simple_path_is_refused(path: str) -> None:
    with pytest.raises(InputRefused, match="found the path"):
        delivered(InputPath=path)


def transformed(template: str, **paths: str) -> str:
    return delivered(InputTransformer={"InputPathsMap": paths, "InputTemplate": template})


def test_a_template_of_json_gets_values_as_json() -> None:
    text = transformed(
        '{"name": <name>, "variants": <variants>, "n": <n>, "no": <no>}',
        name="$.detail.EndpointName",
        variants="$.detail.ProductionVariants",
        n="$.detail.n",
        no="$.detail.absent",
    )

    assert json.loads(text) == {
        "name": "flyball-payments",
        "variants": [{"VariantName": 'the "main" one'}],
        "n": 3,
        "no": None,
    }


def test_a_value_inside_a_text_loses_its_quotes_and_breaks_nothing() -> None:
    text = transformed(
        '"<name>: <variant> <no>."',
        name="$.detail.EndpointName",
        variant="$.detail.ProductionVariants[0].VariantName",
        no="$.detail.absent",
    )

    assert json.loads(text) == 'flyball-payments: the "main" one .'


def test_a_template_knows_the_rule_and_the_event() -> None:
    text = transformed('{"rule": <aws.events.rule-name>, "event": <aws.events.event.json>}')

    assert json.loads(text) == {"rule": "nightly", "event": EVENT}


def test_a_template_that_names_what_it_does_not_have_is_refused() -> None:
    with pytest.raises(InputRefused, match="<nothing>"):
        transformed('"<nothing>"')
