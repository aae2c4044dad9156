"""What a deploy changes of the cost, against the templates that CloudFormation has."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from botocore.session import Session
from botocore.stub import Stubber

from cdk.cost import difference
from cdk.cost.__main__ import changes_of
from cdk.preflight.account.clients import Account
from model_packages.errors import OperatorError
from tests.cdk.preflight.templates import Flowers, Json, snapshot


def account(answers: Mapping[str, Json | str | None]) -> Account:
    """An account in which the stacks of `answers` are deployed with those templates."""
    client = Session().create_client(
        "cloudformation", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stubber = Stubber(client)
    for name, template in answers.items():
        expected = {"StackName": name, "TemplateStage": "Processed"}
        if template is None:
            message = f"Stack with id {name} does not exist"
            stubber.add_client_error("get_template", "ValidationError", message, expected_params=expected)
        else:
            body = template if isinstance(template, str) else json.dumps(template)
            stubber.add_response("get_template", {"TemplateBody": body}, expected)
    stubber.activate()
    return Account(number="123456789012", region="us-east-1", make=lambda _service: client)


def test_where_nothing_is_deployed_everything_is_new(flowers: Flowers) -> None:
    changes = changes_of(flowers.installation(), account({"flyball-platform": None, "flyball-flowers": None}))

    by_owner = {change.owner: change for change in changes}
    assert (by_owner["flowers"].before_usd, by_owner["flowers"].gone) == (0, ())
    assert "AWS::SageMaker::Endpoint 2 to 4 x ml.g6.xlarge: $1,645.42 to $3,290.84" in by_owner["flowers"].new


def test_the_same_templates_cost_the_same(flowers: Flowers) -> None:
    deployed = {"flyball-platform": snapshot("platform"), "flyball-flowers": snapshot("flowers")}

    changes = changes_of(flowers.installation(), account(deployed))

    assert all(change.is_none for change in changes)
    assert "flowers: $1,665.11, no change" in difference.text(changes)


def test_another_instance_type_is_shown_with_what_it_costs_more(flowers: Flowers) -> None:
    def choose(config: Json) -> None:
        config["ProductionVariants"][0]["InstanceType"] = "ml.g5.xlarge"

    deployed = {"flyball-platform": snapshot("platform"), "flyball-flowers": snapshot("flowers")}
    changed = flowers.having(edits={"AWS::SageMaker::EndpointConfig": choose}).installation()

    text = difference.text(changes_of(changed, account(deployed)))

    assert "  flowers: $1,665.11 -> $2,075.37 (+$410.26)" in text
    assert "    - AWS::SageMaker::Endpoint 2 to 4 x ml.g6.xlarge: $1,645.42 to $3,290.84" in text
    assert "    + AWS::SageMaker::Endpoint 2 to 4 x ml.g5.xlarge: $2,055.68 to $4,111.36" in text


def test_a_refusal_is_an_operators_error(flowers: Flowers) -> None:
    client = Session().create_client(
        "cloudformation", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stubber = Stubber(client)
    stubber.add_client_error("get_template", "AccessDenied", "not allowed")
    stubber.activate()

    with pytest.raises(OperatorError, match="AccessDenied"):
        changes_of(flowers.installation(), Account(number="1", region="us-east-1", make=lambda _service: client))
