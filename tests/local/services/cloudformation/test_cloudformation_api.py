"""CloudFormation as boto3 sees it: change sets, stacks, events, and what is refused in its own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from local.api_table import API_TABLE
from local.services.cloudformation.api import OPERATIONS, CloudFormationApi
from local.services.cloudformation.operations import NO_CHANGES, NO_UPDATES
from tests.local.deploy.doubles import thing
from tests.local.services.cloudformation.bench import Bench, FakeServices, Kept, running_bench

ROLE = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "named", "AssumeRolePolicyDocument": {}}}


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    """The code and message of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def with_parameter(**declaration: Any) -> str:
    body = {"Parameters": {"P": declaration}, "Resources": {"A": thing(Value={"Ref": "P"})}}
    return json.dumps(body)


def exporting(value: str) -> str:
    outputs = {"Out": {"Value": value, "Export": {"Name": "shared"}, "Description": "what others use"}}
    return json.dumps({"Resources": {"A": thing()}, "Outputs": outputs})


IMPORTING = json.dumps({"Resources": {"B": thing(Value={"Fn::ImportValue": "shared"})}})


# Change sets


def test_a_change_set_for_a_new_stack_leaves_it_in_review(bench: Bench) -> None:
    described = bench.change_set(bench.template(A=thing(Value=1)), Description="first")

    assert described["Status"] == "CREATE_COMPLETE"
    assert described["ExecutionStatus"] == "AVAILABLE"
    assert described["Description"] == "first"
    assert [change["ResourceChange"]["Action"] for change in described["Changes"]] == ["Add"]
    assert bench.status() == "REVIEW_IN_PROGRESS"
    assert bench.events() == [("stack", "REVIEW_IN_PROGRESS", "User Initiated")]
    assert bench.services.things.calls == []


def test_executing_it_creates_the_stack_and_tells_each_step(bench: Bench) -> None:
    bench.change_set(bench.template(A=thing(Value=1)), Tags=[{"Key": "team", "Value": "x"}])

    status = bench.execute(ClientRequestToken="mine")

    assert status == "CREATE_COMPLETE"
    stack = bench.find("stack")
    assert stack is not None
    assert stack["Tags"] == [{"Key": "team", "Value": "x"}]
    assert "LastUpdatedTime" not in stack
    newest = bench.client.describe_stack_events(StackName="stack")["StackEvents"][0]
    assert (newest["ResourceStatus"], newest["ClientRequestToken"]) == ("CREATE_COMPLETE", "mine")
    assert [(logical_id, step) for logical_id, step, _ in bench.events()] == [
        ("stack", "REVIEW_IN_PROGRESS"),
        ("stack", "CREATE_IN_PROGRESS"),
        ("A", "CREATE_IN_PROGRESS"),
        ("A", "CREATE_IN_PROGRESS"),
        ("A", "CREATE_COMPLETE"),
        ("stack", "CREATE_COMPLETE"),
    ]


def test_no_two_events_of_a_stack_have_one_time(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing(), B=thing(), C=thing()))

    times = [event["Timestamp"] for event in bench.client.describe_stack_events(StackName="stack")["StackEvents"]]

    assert len(set(times)) == len(times)
    assert times == sorted(times, reverse=True)


def test_a_change_in_place_is_told_from_a_replacement(bench: Bench) -> None:
    bench.deploy(bench.template(Edited=thing(Value=1), Fixed=thing(Fixed=1), Gone=thing()))

    described = bench.change_set(bench.template(Edited=thing(Value=2), Fixed=thing(Fixed=2), New=thing()))

    changes = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in described["Changes"]
    }
    assert {name: change["Action"] for name, change in changes.items()} == {
        "Edited": "Modify",
        "Fixed": "Modify",
        "New": "Add",
        "Gone": "Remove",
    }
    assert changes["Edited"]["Replacement"] == "False"
    assert changes["Fixed"]["Replacement"] == "True"
    assert changes["Fixed"]["PolicyAction"] == "ReplaceAndDelete"
    (detail,) = changes["Fixed"]["Details"]
    assert detail["Target"] == {"Attribute": "Properties", "Name": "Fixed", "RequiresRecreation": "Always"}
    assert (detail["Evaluation"], detail["ChangeSource"]) == ("Static", "DirectModification")


def test_property_values_are_shown_to_who_asks(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing(Value=1)))
    bench.change_set(bench.template(A=thing(Value=2)))

    described = bench.client.describe_change_set(StackName="stack", ChangeSetName="changes", IncludePropertyValues=True)

    change = described["Changes"][0]["ResourceChange"]
    assert json.loads(change["AfterContext"]) == {"Properties": {"Value": 2}}
    target = change["Details"][0]["Target"]
    assert (target["Path"], target["BeforeValue"], target["AfterValue"]) == ("/Properties/Value", "1", "2")


def test_a_change_that_hangs_on_a_replacement_is_dynamic_and_names_its_cause(bench: Bench) -> None:
    body = {"A": thing(Fixed=1), "B": thing(Fixed={"Ref": "A"})}
    bench.deploy(bench.template(**body))

    described = bench.change_set(bench.template(**(body | {"A": thing(Fixed=2)})))

    change = described["Changes"][1]["ResourceChange"]
    (detail,) = change["Details"]
    assert change["Replacement"] == "Conditional"
    assert detail["Evaluation"] == "Dynamic"
    assert (detail["ChangeSource"], detail["CausingEntity"]) == ("ResourceReference", "A")


@pytest.mark.parametrize(("after", "reason"), [({}, NO_CHANGES), ({"Description": "other words"}, NO_UPDATES)])
def test_a_change_set_without_changes_fails(bench: Bench, after: dict[str, str], reason: str) -> None:
    body = {"Resources": {"A": thing(Value=1)}}
    bench.deploy(json.dumps(body))

    described = bench.change_set(json.dumps({**body, **after}))

    assert (described["Status"], described["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert described["StatusReason"] == reason


def test_a_change_set_that_is_not_available_cannot_be_executed(bench: Bench) -> None:
    body = bench.template(A=thing(Value=1))
    bench.deploy(body)
    bench.change_set(body)

    code, message = refused(bench.client.execute_change_set, StackName="stack", ChangeSetName="changes")

    assert code == "InvalidChangeSetStatus"
    assert "[UNAVAILABLE]" in message


def test_a_change_set_that_is_not_there_is_not_found(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing()))

    code, _ = refused(bench.client.describe_change_set, StackName="stack", ChangeSetName="other")

    assert code == "ChangeSetNotFound"
    bench.client.delete_change_set(StackName="stack", ChangeSetName="other")


def test_once_one_change_set_is_executed_the_others_are_gone(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing(Value=1)))
    bench.change_set(bench.template(A=thing(Value=2)), name="one")
    bench.change_set(bench.template(A=thing(Value=3)), name="other")

    bench.execute(name="one")

    summaries = bench.client.list_change_sets(StackName="stack")["Summaries"]
    assert [(summary["ChangeSetName"], summary["ExecutionStatus"]) for summary in summaries] == [
        ("one", "EXECUTE_COMPLETE")
    ]


def test_a_change_set_says_which_template_it_would_bring(bench: Bench) -> None:
    body = bench.template(A=thing())

    bench.change_set(body)

    given = bench.client.get_template(StackName="stack", ChangeSetName="changes")
    assert given["TemplateBody"] == json.loads(body)


# Templates and parameters


def test_a_template_comes_back_as_it_was_handed_in(bench: Bench) -> None:
    body = (
        "Resources:\r\n  A:\n    Type: Fake::Thing\n    Properties: {Value: !Sub 'a & <b> \"c\" é ${AWS::Region}'}\n\n"
    )

    bench.deploy(body)

    assert bench.client.get_template(StackName="stack", TemplateStage="Original")["TemplateBody"] == body
    assert list(bench.services.things.things.values()) == [{"Value": 'a & <b> "c" é us-east-1'}]


@pytest.mark.parametrize(
    "url",
    ["https://s3.us-east-1.amazonaws.com/assets/t.json", "https://assets.s3.us-east-1.amazonaws.com/t.json"],
)
def test_a_template_is_fetched_from_s3(bench: Bench, url: str) -> None:
    bench.services.objects["assets", "t.json"] = bench.template(A=thing()).encode()

    bench.client.create_stack(StackName="stack", TemplateURL=url)

    assert bench.rests() == "CREATE_COMPLETE"


def test_a_template_that_is_not_in_s3_is_refused(bench: Bench) -> None:
    url = "https://assets.s3.amazonaws.com/nothing"

    answer = refused(bench.client.create_stack, StackName="stack", TemplateURL=url)

    assert answer == ("ValidationError", "S3 error: The specified key does not exist.")


def test_an_ssm_parameter_is_read_for_each_change_set_and_its_value_shown(bench: Bench) -> None:
    body = with_parameter(Type="AWS::SSM::Parameter::Value<String>", Default="/name")
    bench.services.parameters["/name"] = "one"
    bench.deploy(body)
    bench.services.parameters["/name"] = "two"

    described = bench.change_set(body)
    bench.execute()

    shown = {"ParameterKey": "P", "ParameterValue": "/name", "ResolvedValue": "two"}
    assert described["Parameters"] == [shown]
    stack = bench.find("stack")
    assert stack is not None
    assert stack["Parameters"] == [shown]
    assert list(bench.services.things.things.values()) == [{"Value": "two"}]


def test_a_previous_value_is_used_again(bench: Bench) -> None:
    body = json.loads(with_parameter(Type="String"))
    bench.deploy(json.dumps(body), Parameters=[{"ParameterKey": "P", "ParameterValue": "kept"}])
    body["Resources"]["B"] = thing()

    described = bench.change_set(
        json.dumps(body), Parameters=[{"ParameterKey": "P", "UsePreviousValue": True}], UsePreviousTemplate=False
    )

    assert described["Status"] == "CREATE_COMPLETE"
    assert described["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "kept"}]


@pytest.mark.parametrize(
    ("body", "arguments", "message"),
    [
        (with_parameter(Type="String"), {}, "Parameters: [P] must have values"),
        (
            json.dumps({"Resources": {"A": thing()}}),
            {"Parameters": [{"ParameterKey": "Q", "ParameterValue": "1"}]},
            "Parameters: [Q] do not exist in the template",
        ),
        (
            with_parameter(Type="String", AllowedValues=["a"]),
            {"Parameters": [{"ParameterKey": "P", "ParameterValue": "b"}]},
            "Parameter 'P' must be one of AllowedValues",
        ),
        ("{", {}, "Template format error: JSON not well-formed."),
        ("{}", {}, "Template format error: At least one Resources member must be defined."),
        (json.dumps({"Resources": {"A": thing(Value={"Ref": "B"})}}), {}, "B"),
        (json.dumps({"Resources": {"A": {"Type": "AWS::No::Such"}}}), {}, "AWS::No::Such"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_before_anything_is_made(
    bench: Bench, body: str, arguments: dict[str, Any], message: str
) -> None:
    code, said = refused(bench.client.create_stack, StackName="stack", TemplateBody=body, **arguments)

    assert code == "ValidationError"
    assert message in said
    assert bench.find("stack") is None


def test_a_template_with_iam_resources_wants_the_callers_word(bench: Bench) -> None:
    body = bench.template(R=ROLE)

    answer = refused(bench.client.create_stack, StackName="stack", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])

    assert answer == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")


def test_a_template_can_be_summed_up_and_validated(bench: Bench) -> None:
    body = json.dumps(
        {
            "Description": "what it is",
            "Parameters": {"P": {"Type": "String", "Default": "x", "AllowedValues": ["x", "y"]}},
            "Resources": {"R": ROLE},
        }
    )

    summary = bench.client.get_template_summary(TemplateBody=body)
    validated = bench.client.validate_template(TemplateBody=body)

    assert summary["ResourceTypes"] == ["AWS::IAM::Role"]
    assert summary["Parameters"][0]["ParameterConstraints"] == {"AllowedValues": ["x", "y"]}
    assert validated["Description"] == summary["Description"] == "what it is"
    assert validated["Capabilities"] == ["CAPABILITY_NAMED_IAM"]


@pytest.mark.parametrize(
    "asked",
    [
        {"TimeoutInMinutes": 5},
        {"OnFailure": "DELETE"},
        {"StackPolicyBody": "{}"},
        {"RollbackConfiguration": {"RollbackTriggers": [{"Arn": "arn:a", "Type": "AWS::CloudWatch::Alarm"}]}},
        {"DeploymentConfig": {"Mode": "EXPRESS"}},
    ],
)
def test_what_the_local_cloud_does_not_do_is_refused_by_name(bench: Bench, asked: dict[str, Any]) -> None:
    body = bench.template(A=thing())

    code, message = refused(bench.client.create_stack, StackName="stack", TemplateBody=body, **asked)

    assert code == "ValidationError"
    assert message.startswith(f"{next(iter(asked))}: the local cloud does not do this")


def test_only_the_types_that_the_caller_names_are_deployed(bench: Bench) -> None:
    body = bench.template(A=thing())

    answer = refused(bench.client.create_stack, StackName="stack", TemplateBody=body, ResourceTypes=["AWS::S3::*"])

    assert answer == ("ValidationError", "Resource type Fake::Thing is not permitted by parameter ResourceTypes")


def test_every_operation_of_the_table_has_an_answer() -> None:
    assert set(API_TABLE["cloudformation"]) == OPERATIONS
    assert all(hasattr(CloudFormationApi, xform_name(name)) for name in OPERATIONS)


# Stacks


def test_a_stack_that_does_not_exist_is_said_so_as_on_aws(bench: Bench) -> None:
    assert refused(bench.client.describe_stacks, StackName="none") == (
        "ValidationError",
        "Stack with id none does not exist",
    )
    assert refused(bench.client.describe_stack_events, StackName="none") == (
        "ValidationError",
        "Stack [none] does not exist",
    )
    bench.client.delete_stack(StackName="none")


def test_a_name_is_given_once(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing()))

    answer = refused(bench.client.create_stack, StackName="stack", TemplateBody=bench.template(A=thing()))

    assert answer == ("AlreadyExistsException", "Stack [stack] already exists")


def test_a_creation_that_fails_is_rolled_back_and_its_stack_can_only_be_deleted(bench: Bench) -> None:
    bench.services.things.fail_at = {1}
    body = bench.template(A=thing(), B=thing() | {"DependsOn": "A"})

    status = bench.deploy(body)

    assert status == "ROLLBACK_COMPLETE"
    assert bench.services.things.things == {}
    reasons = {(name, step): reason for name, step, reason in bench.events()}
    assert "told to fail" in reasons["B", "CREATE_FAILED"]
    assert reasons["stack", "ROLLBACK_IN_PROGRESS"] == (
        "The following resource(s) failed to create: [B]. Rollback requested by user."
    )
    code, message = refused(bench.client.update_stack, StackName="stack", TemplateBody=body)
    assert code == "ValidationError"
    assert "is in ROLLBACK_COMPLETE state and can not be updated." in message
    bench.client.delete_stack(StackName="stack")
    assert bench.deploy(body) == "CREATE_COMPLETE"


def test_an_update_that_fails_leaves_template_and_tags_as_they_were(bench: Bench) -> None:
    body = bench.template(A=thing(Value=1))
    bench.deploy(body, Tags=[{"Key": "k", "Value": "old"}])
    bench.services.things.fail_after(0)

    status = bench.deploy(bench.template(A=thing(Value=2)), Tags=[{"Key": "k", "Value": "new"}])

    assert status == "UPDATE_ROLLBACK_COMPLETE"
    stack = bench.find("stack")
    assert stack is not None
    assert stack["Tags"] == [{"Key": "k", "Value": "old"}]
    assert bench.client.get_template(StackName="stack")["TemplateBody"] == json.loads(body)
    (summary,) = bench.client.list_change_sets(StackName="stack")["Summaries"]
    assert summary["ExecutionStatus"] == "EXECUTE_FAILED"


def test_without_a_rollback_a_failure_stays_and_can_be_rolled_back_later(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing(Value=1)))
    bench.services.things.fail_after(0)
    bench.change_set(bench.template(A=thing(Value=2)))

    failed = bench.execute(DisableRollback=True)
    bench.client.rollback_stack(StackName="stack")

    assert failed == "UPDATE_FAILED"
    assert bench.rests() == "UPDATE_ROLLBACK_COMPLETE"
    assert list(bench.services.things.things.values()) == [{"Value": 1}]


def test_an_update_without_changes_is_refused(bench: Bench) -> None:
    body = bench.template(A=thing(Value=1))
    bench.deploy(body)

    answer = refused(bench.client.update_stack, StackName="stack", TemplateBody=body)

    assert answer == ("ValidationError", "No updates are to be performed.")


def test_a_protected_stack_is_not_deleted(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing()))
    bench.client.update_termination_protection(StackName="stack", EnableTerminationProtection=True)

    _, message = refused(bench.client.delete_stack, StackName="stack")

    assert message == "Stack [stack] cannot be deleted while TerminationProtection is enabled"
    bench.client.update_termination_protection(StackName="stack", EnableTerminationProtection=False)
    bench.client.delete_stack(StackName="stack")


def test_a_deleted_stack_is_known_by_its_id_alone(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing()))
    stack = bench.find("stack")
    assert stack is not None

    bench.client.delete_stack(StackName="stack")

    assert bench.rests(stack["StackId"]) == "DELETE_COMPLETE"
    assert bench.find("stack") is None
    assert "DeletionTime" in bench.client.describe_stacks(StackName=stack["StackId"])["Stacks"][0]
    assert bench.client.describe_stacks()["Stacks"] == []
    summaries = bench.client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert [summary["StackName"] for summary in summaries] == ["stack"]


def test_an_export_in_use_keeps_its_stack(bench: Bench) -> None:
    bench.deploy(exporting("x"), stack="giver")
    bench.deploy(IMPORTING, stack="taker")

    bench.client.delete_stack(StackName="giver")
    status = bench.rests("giver")

    assert status == "CREATE_COMPLETE"
    assert bench.events("giver")[-1][2] == "Export shared cannot be deleted as it is in use by taker"
    assert bench.client.list_imports(ExportName="shared")["Imports"] == ["taker"]
    (export,) = bench.client.list_exports()["Exports"]
    assert (export["Name"], export["Value"]) == ("shared", "x")
    stack = bench.find("giver")
    assert stack is not None
    assert stack["Outputs"] == [
        {"OutputKey": "Out", "OutputValue": "x", "Description": "what others use", "ExportName": "shared"}
    ]


def test_an_export_in_use_does_not_change(bench: Bench) -> None:
    bench.deploy(exporting("x"), stack="giver")
    bench.deploy(IMPORTING, stack="taker")

    status = bench.deploy(exporting("y"), stack="giver")

    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert any("in use by taker" in reason for _, _, reason in bench.events("giver"))


def test_resources_are_listed_with_their_last_status(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing(Fixed=1), B=thing()))
    bench.deploy(bench.template(A=thing(Fixed=2)))

    (resource,) = bench.client.describe_stack_resources(StackName="stack")["StackResources"]
    (summary,) = bench.client.list_stack_resources(StackName="stack")["StackResourceSummaries"]
    detail = bench.client.describe_stack_resource(StackName="stack", LogicalResourceId="A")["StackResourceDetail"]

    assert resource["ResourceStatus"] == summary["ResourceStatus"] == detail["ResourceStatus"] == "UPDATE_COMPLETE"
    assert resource["PhysicalResourceId"] in bench.services.things.things
    assert refused(bench.client.describe_stack_resource, StackName="stack", LogicalResourceId="B") == (
        "ValidationError",
        "Resource B does not exist for stack stack",
    )


def test_events_come_page_by_page(bench: Bench) -> None:
    bench.deploy(bench.template(**{f"T{number}": thing() for number in range(40)}))

    first = bench.client.describe_stack_events(StackName="stack")

    assert len(first["StackEvents"]) == 100
    assert len(bench.events()) == 2 + 40 * 3 + 1


# Whose name it is done in, and what outlives the process


def test_an_operation_acts_as_the_role_that_was_passed_and_goes_on_doing_so(bench: Bench) -> None:
    bench.deploy(bench.template(A=thing(Value=1)), RoleARN="arn:aws:iam::123456789012:role/exec")
    bench.roles.clear()

    bench.deploy(bench.template(A=thing(Value=2)))

    assert "arn:aws:iam::123456789012:role/exec" in bench.roles


def test_a_cloud_that_is_started_again_knows_its_stacks_change_sets_and_events() -> None:
    services, kept = FakeServices(), Kept()
    with running_bench(services, kept) as former:
        former.deploy(former.template(A=thing(Value=1)))
        former.change_set(former.template(A=thing(Value=2)))
        events = former.events()

    with running_bench(services, kept) as later:
        known = later.events()
        status = later.execute()

    assert known == events
    assert status == "UPDATE_COMPLETE"
    assert list(services.things.things.values()) == [{"Value": 2}]
