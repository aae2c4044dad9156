"""Parameters and dynamic references: what is taken, what is refused and in which words, what is read at each deploy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.deploy.documents import Json
from local.deploy.errors import TemplateError
from local.deploy.intrinsics import resolve
from local.deploy.parameters import parameter_values
from local.deploy.scope import Neighbours, StackScope, pseudo_parameters
from local.deploy.state import InMemoryStore
from local.deploy.template import parse_template
from model_packages.errors import UnsupportedResource
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud


@dataclass
class Account:
    """An account with parameters and secrets."""

    cloud: MotoCloud

    @property
    def neighbours(self) -> Neighbours:
        return Neighbours(InMemoryStore(), self.cloud.clients, "stack")

    def values(self, declared: Json, **given: str) -> dict[str, Json]:
        template = parse_template({"Parameters": declared}, stack_name="stack")
        return parameter_values(template, given, self.neighbours)

    def resolved(self, value: Json) -> Json:
        pseudo = pseudo_parameters(stack_name="stack", stack_id="arn", account="123456789012", region="us-east-1")
        return resolve(value, StackScope(parse_template({}, stack_name="stack"), {}, pseudo, self.neighbours))


@pytest.fixture
def account() -> Iterator[Account]:
    with moto_cloud() as cloud:
        ssm = cloud.clients("ssm")
        ssm.put_parameter(Name="/champion", Value="v1", Type="String")
        ssm.put_parameter(Name="/zones", Value="a,b", Type="StringList")
        ssm.put_parameter(Name="/secure", Value="x", Type="SecureString")
        cloud.clients("secretsmanager").create_secret(Name="db", SecretString='{"user": "me", "port": 5}')
        yield Account(cloud)


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("String", "a,b", "a,b"),
        ("Number", "3.5", "3.5"),
        ("CommaDelimitedList", "a, b", ["a", "b"]),
        ("List<Number>", "1,2", ["1", "2"]),
        ("AWS::SSM::Parameter::Name", "/champion", "/champion"),
        ("AWS::SSM::Parameter::Value<String>", "/champion", "v1"),
        ("AWS::SSM::Parameter::Value<String>", "/champion:1", "v1"),
        ("AWS::SSM::Parameter::Value<List<String>>", "/zones", ["a", "b"]),
        ("AWS::SSM::Parameter::Value<CommaDelimitedList>", "/zones", ["a", "b"]),
        ("AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "/champion", "v1"),
    ],
)
def test_a_parameter_has_the_value_of_its_type(account: Account, kind: str, given: str, value: Json) -> None:
    assert account.values({"P": {"Type": kind}}, P=given) == {"P": value}
    assert account.values({"P": {"Type": kind, "Default": given}}) == {"P": value}


def test_an_ssm_value_is_read_at_each_deployment(account: Account) -> None:
    declared = {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/champion"}}
    before = account.values(declared)

    account.cloud.clients("ssm").put_parameter(Name="/champion", Value="v2", Overwrite=True)

    assert (before, account.values(declared)) == ({"P": "v1"}, {"P": "v2"})


@pytest.mark.parametrize(
    ("declared", "given", "problem"),
    [
        ({"P": {"Type": "String"}, "Q": {"Type": "String"}}, {}, r"Parameters: \[P, Q\] must have values"),
        ({"P": {"Type": "String"}}, {"P": "a", "X": "b"}, r"Parameters: \[X\] do not exist in the template"),
        ({"P": {"Type": "String", "AllowedValues": ["a"]}}, {"P": "b"}, "Parameter 'P' must be one of AllowedValues"),
        (
            {"P": {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]}},
            {"P": "a,c"},
            "Parameter 'P' must be one of AllowedValues",
        ),
        ({"P": {"Type": "String", "AllowedPattern": "[a-z]+"}}, {"P": "a1"}, r"must match pattern \[a-z\]\+"),
        ({"P": {"Type": "String", "MinLength": "3"}}, {"P": "ab"}, "must contain at least 3 characters"),
        ({"P": {"Type": "String", "MaxLength": 1}}, {"P": "ab"}, "must contain at most 1 characters"),
        ({"P": {"Type": "Number"}}, {"P": "many"}, "must be a number"),
        ({"P": {"Type": "Number", "MinValue": 2}}, {"P": "1"}, "must be a number not less than 2"),
        ({"P": {"Type": "List<Number>", "MaxValue": 2}}, {"P": "1,3"}, "must be a number not greater than 2"),
        (
            {"P": {"Type": "String", "MinLength": 3, "ConstraintDescription": "say more"}},
            {"P": "a"},
            "Parameter P failed to satisfy constraint: say more",
        ),
        ({"P": {"Type": "Text", "Default": "x"}}, {}, "Unrecognized parameter type: Text"),
        (
            {
                "P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/none"},
                "Q": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/nil"},
            },
            {},
            r"Unable to fetch parameters \[/none,/nil\] from parameter store for this account\.",
        ),
        (
            {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/secure"}},
            {},
            r"Parameters \[/secure\] referenced by template have types not supported by CloudFormation\.",
        ),
    ],
)
def test_a_wrong_parameter_is_refused_in_cloudformations_words(
    account: Account, declared: Json, given: dict[str, str], problem: str
) -> None:
    with pytest.raises(TemplateError, match=problem):
        account.values(declared, **given)


def test_a_parameter_type_that_asks_the_account_is_refused_by_name(account: Account) -> None:
    with pytest.raises(UnsupportedResource, match="the type AWS::EC2::VPC::Id of parameter P"):
        account.values({"P": {"Type": "AWS::EC2::VPC::Id", "Default": "vpc-1"}})


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("{{resolve:ssm:/champion}}", "v1"),
        ("is {{resolve:ssm:/champion:1}}.", "is v1."),
        ("{{resolve:secretsmanager:db:SecretString:user}}", "me"),
        ("{{resolve:secretsmanager:db:SecretString:port::}}", "5"),
        ("{{resolve:secretsmanager:db}}", '{"user": "me", "port": 5}'),
        ("{{resolve:secretsmanager:db:SecretString:user:AWSCURRENT}}", "me"),
    ],
)
def test_a_dynamic_reference_stands_for_its_value(account: Account, reference: str, value: str) -> None:
    assert account.resolved({"P": [reference]}) == {"P": [value]}


def test_a_dynamic_reference_takes_a_secret_by_its_arn(account: Account) -> None:
    arn = account.cloud.clients("secretsmanager").describe_secret(SecretId="db")["ARN"]

    assert account.resolved(f"{{{{resolve:secretsmanager:{arn}:SecretString:user}}}}") == "me"


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("{{resolve:ssm:/none}}", r"Parameters: \[ssm:/none\] cannot be found\."),
        ("{{resolve:secretsmanager:none}}", "Secrets Manager can't find the specified secret"),
        ("{{resolve:secretsmanager:db:SecretString:none}}", "Could not find a value associated with JSONKey"),
    ],
)
def test_a_dynamic_reference_to_nothing_is_a_template_error(account: Account, reference: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        account.resolved(reference)
