"""Intrinsic functions, each on its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from local.deploy.documents import Json
from local.deploy.errors import TemplateError
from local.deploy.intrinsics import NO_VALUE, Unknown, evaluate, resolve
from model_packages.errors import UnsupportedResource


@dataclass
class FixedScope:
    """A scope of literal values."""

    stack_name: str = "stack"
    references: dict[str, Json] = field(
        default_factory=lambda: {"Name": "digits", "New": Unknown("New"), "AWS::Region": "us-east-1", "N": 3}
    )

    def reference(self, name: str) -> Json:
        return self.references[name]

    def attribute(self, logical_id: str, name: str) -> Json:
        return Unknown(f"{logical_id}.{name}") if logical_id == "New" else f"<{logical_id}.{name}>"

    def condition(self, name: str) -> bool:
        return name == "Yes"

    def mapped(self, name: str, top_key: str, second_key: str) -> Json:
        return f"{name}/{top_key}/{second_key}"

    def exported(self, name: str) -> Json:
        return f"exported {name}"

    def stack_output(self, stack_name: str, output_name: str) -> Json:
        return f"{stack_name} {output_name}"

    def ssm(self, name: str) -> str:
        return f"value of {name}"

    def secret(self, reference: str) -> str:
        return f"secret {reference}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Name"}, "digits"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "<Role.Arn>"),
        ({"Fn::GetAtt": "Role.Nested.Arn"}, "<Role.Nested.Arn>"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Name"}, 1, True]]}, "a-digits-1-true"),
        ({"Fn::Sub": "${Name}:${Role.Arn}:${!Kept}"}, "digits:<Role.Arn>:${Kept}"),
        ({"Fn::Sub": ["${Name} ${X}", {"X": {"Ref": "AWS::Region"}}]}, "digits us-east-1"),
        ({"Fn::Select": ["1", ["a", "b"]]}, "b"),
        ({"Fn::Split": ["/", "a/b"]}, ["a", "b"]),
        ({"Fn::Select": [0, {"Fn::Split": [":", {"Fn::Join": [":", ["x", "y"]]}]}]}, "x"),
        ({"Fn::If": ["Yes", "a", {"Ref": "missing"}]}, "a"),
        ({"Fn::FindInMap": ["M", {"Ref": "Name"}, "k"]}, "M/digits/k"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::GetAZs": ""}, ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ({"Fn::ImportValue": {"Fn::Sub": "${Name}-x"}}, "exported digits-x"),
        ({"Fn::GetStackOutput": {"StackName": "s", "OutputName": "o"}}, "s o"),
        ({"Fn::Cidr": ["10.0.0.0/16", 3, 8]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ({"Fn::Cidr": ["10.0.0.0/24", "2", "5"]}, ["10.0.0.0/27", "10.0.0.32/27"]),
        ({"Fn::Select": [1, {"Fn::Cidr": ["10.0.0.0/24", 4, 6]}]}, "10.0.0.64/26"),
        ("{{resolve:secretsmanager:db:SecretString:password}}", "secret db:SecretString:password"),
        ("{{resolve:ssm:/flyball/x}}", "value of /flyball/x"),
        ({"Fn::Join": ["", ["{{resolve:ssm:/", {"Ref": "Name"}, "}}"]]}, "value of /digits"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}, {"b": [1]}),
        ({"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, NO_VALUE),
        ({"Ref": "x", "Other": 1}, {"Ref": "x", "Other": 1}),
    ],
)
def test_a_function_stands_for_its_value(value: Json, expected: Json) -> None:
    assert resolve(value, FixedScope()) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Join": ["", ["a", {"Ref": "New"}]]},
        {"Fn::Sub": "a ${New}"},
        {"Fn::Select": [0, [{"Fn::GetAtt": ["New", "Arn"]}]]},
        {"Fn::Base64": {"Fn::Sub": "${New.Arn}"}},
    ],
)
def test_what_hangs_on_the_unknown_is_unknown(value: Json) -> None:
    assert isinstance(resolve(value, FixedScope()), Unknown)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"Fn::Equals": [{"Ref": "Name"}, "digits"]}, True),
        ({"Fn::Equals": [{"Ref": "N"}, "3"]}, True),
        ({"Fn::Not": [{"Condition": "Yes"}]}, False),
        ({"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]}, False),
        ({"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]}, True),
        ({"Fn::Contains": [["a", "b"], "b"]}, True),
    ],
)
def test_a_condition_holds_or_does_not(expression: Json, *, expected: bool) -> None:
    assert evaluate(expression, FixedScope()) is expected


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Transform": {"Name": "AWS::Include"}},
        {"Fn::ToJsonString": {}},
        {"Fn::Length": []},
        {"Fn::FindInMap": ["M", "a", "b", {"DefaultValue": 1}]},
        "{{resolve:ssm-secure:x}}",
        {"Fn::GetStackOutput": {"StackName": "s", "OutputName": "o", "RoleArn": "r"}},
    ],
)
def test_an_unknown_function_is_refused_by_name(value: Json) -> None:
    with pytest.raises(UnsupportedResource, match=r"Fn::|ssm-secure"):
        resolve(value, FixedScope())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"Fn::Select": [2, ["a", "b"]]}, "cannot select nonexistent value at index 2"),
        ({"Fn::Cidr": ["10.0.0.0/24", 3, 7]}, r"10.0.0.0/24 has no 3 subnets of /25"),
        ({"Fn::Split": ["/", ["a"]]}, "Fn::Split cannot be computed"),
    ],
)
def test_a_function_of_the_wrong_thing_is_a_template_error(value: Json, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        resolve(value, FixedScope())
