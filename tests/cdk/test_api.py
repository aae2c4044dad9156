"""The one API: who answers which route, who may call it, and what it says when it refuses by itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cdk.gateway_responses import EDGE_PROBLEMS
from tests.cdk.synth import Assembly, Workshop, sample_packages, walk

Routes = dict[tuple[str, str], dict[str, Any]]


def routes(assembly: Assembly) -> Routes:
    """The API's methods by path and HTTP method."""
    resources = assembly.resources("AWS::ApiGateway::Resource")

    def path(reference: dict[str, Any]) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        resource = resources[reference["Ref"]]
        return f"{path(resource['ParentId'])}/{resource['PathPart']}"

    methods = assembly.resources("AWS::ApiGateway::Method").values()
    return {(path(method["ResourceId"]) or "/", method["HttpMethod"]): method for method in methods}


def function_of(method: dict[str, Any]) -> str:
    """`Catalogue`, or the name that stands in the integration's URI."""
    texts = " ".join(value for value in walk(method["Integration"]["Uri"]) if isinstance(value, str))
    named = re.search(r":function:(\S+)/invocations", texts)
    return named[1] if named else texts[texts.index("Catalogue") :].split("Function")[0]


def authorization_of(assembly: Assembly) -> dict[str, str]:
    """The ways of the documentation's and of the models' methods, joined; a key counts as one."""
    ways: dict[str, set[str]] = {"documentation": set(), "models": set()}
    for (_path, http_method), method in routes(assembly).items():
        way = "API_KEY" if method.get("ApiKeyRequired") else method["AuthorizationType"]
        ways["documentation" if http_method == "GET" else "models"].add(way)
    return {kind: " ".join(sorted(found)) for kind, found in ways.items()}


def deployment_of(assembly: Assembly) -> str:
    (logical_id,) = assembly.resources("AWS::ApiGateway::Deployment")
    return logical_id


def test_every_route_goes_to_the_function_that_answers_it(assembly: Assembly) -> None:
    answered_by = {route: function_of(method) for route, method in routes(assembly).items()}

    assert answered_by == {
        ("/", "GET"): "Catalogue",
        ("/models", "GET"): "Catalogue",
        ("/openapi.json", "GET"): "Catalogue",
        ("/models/{name}", "GET"): "Catalogue",
        ("/models/{name}/{proxy+}", "ANY"): "Catalogue",
        ("/models/flowers", "GET"): "Catalogue",
        ("/models/flowers/{proxy+}", "ANY"): "flyball-flowers-gateway",
        ("/models/house_prices", "GET"): "Catalogue",
        ("/models/house_prices/{proxy+}", "ANY"): "flyball-house-prices-gateway",
    }


@pytest.mark.parametrize(
    ("settings", "documentation", "models"),
    [
        ({}, "NONE", "AWS_IAM"),
        ({"documentation": "authorised"}, "AWS_IAM", "AWS_IAM"),
        ({"authorization": "api_key"}, "NONE", "API_KEY"),
        ({"authorization": "api_key", "documentation": "authorised"}, "API_KEY", "API_KEY"),
        ({"authorization": "cognito"}, "NONE", "COGNITO_USER_POOLS"),
        (
            {"authorization": "cognito", "documentation": "authorised", "waf": True},
            "COGNITO_USER_POOLS",
            "COGNITO_USER_POOLS",
        ),
    ],
)
def test_each_setting_synthesizes_passes_cdk_nag_and_authorises(
    workshop: Workshop, settings: dict[str, Any], documentation: str, models: str
) -> None:
    assembly = workshop.synthesize([workshop.package()], **settings)

    assert authorization_of(assembly) == {"documentation": documentation, "models": models}


def test_an_api_key_has_a_usage_plan_of_this_stage(workshop: Workshop) -> None:
    assembly = workshop.synthesize([], authorization="api_key", throttling={"rate_per_second": 7, "burst": 9})
    (stage,) = assembly.resources("AWS::ApiGateway::Stage")

    plan = assembly.only("AWS::ApiGateway::UsagePlan")

    assert plan["Throttle"] == {"RateLimit": 7, "BurstLimit": 9}
    assert [entry["Stage"] for entry in plan["ApiStages"]] == [{"Ref": stage}]
    assert assembly.only("AWS::ApiGateway::UsagePlanKey")["KeyType"] == "API_KEY"


@pytest.mark.parametrize(
    ("authorization", "outputs"), [("api_key", {"ApiKeyId"}), ("cognito", {"UserPoolId", "UserPoolClientId"})]
)
def test_a_caller_can_find_what_it_authorises_with(workshop: Workshop, authorization: str, outputs: set[str]) -> None:
    assembly = workshop.synthesize([], authorization=authorization)

    assert outputs <= assembly.template()["Outputs"].keys()


def test_users_of_the_pool_need_a_second_factor(workshop: Workshop) -> None:
    pool = workshop.synthesize([], authorization="cognito").only("AWS::Cognito::UserPool")

    assert pool["MfaConfiguration"] == "ON"
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_the_stage_throttles_and_logs_no_bodies(assembly: Assembly) -> None:
    stage = assembly.only("AWS::ApiGateway::Stage")

    (settings,) = stage["MethodSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (100, 200)
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["DataTraceEnabled"] is False


def test_an_access_log_line_is_json_with_who_what_and_how_long(assembly: Assembly) -> None:
    line = json.loads(assembly.only("AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])

    wanted = {"requestId", "status", "integrationLatencyMs", "identityArn", "path"}
    assert wanted <= line.keys()
    assert not [value for value in line.values() if "body" in value or "header" in value or "querystring" in value]


def test_requests_are_validated_on_every_method(assembly: Assembly) -> None:
    (validator,) = assembly.resources("AWS::ApiGateway::RequestValidator")

    used = [method["RequestValidatorId"] for method in routes(assembly).values()]

    assert used == [{"Ref": validator}] * len(used)


@pytest.mark.parametrize("problem", EDGE_PROBLEMS, ids=lambda problem: problem.response_type)
def test_api_gateways_own_errors_are_problem_documents(assembly: Assembly, problem: Any) -> None:
    responses = assembly.resources("AWS::ApiGateway::GatewayResponse").values()
    (response,) = (response for response in responses if response["ResponseType"] == problem.response_type)
    template = response["ResponseTemplates"]["application/json"]

    document = json.loads(template.replace("$context.error.messageString", '"why"').replace("$context.requestId", "id"))

    assert response["ResponseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert document == {
        "type": f"urn:flyball:problem:{problem.code}",
        "title": document["title"],
        "status": int(response["StatusCode"]),
        "detail": "why",
        "instance": "urn:uuid:id",
    }


def test_a_throttled_caller_learns_when_to_try_again(assembly: Assembly) -> None:
    assembly.assertions().has_resource_properties(
        "AWS::ApiGateway::GatewayResponse",
        {"ResponseType": "THROTTLED", "ResponseParameters": {"gatewayresponse.header.Retry-After": "'1'"}},
    )


def test_the_firewall_stands_before_the_stage_only_if_the_setting_says_so(
    workshop: Workshop, assembly: Assembly
) -> None:
    guarded = workshop.synthesize([], waf=True)
    (stage,) = guarded.resources("AWS::ApiGateway::Stage")

    arn = guarded.only("AWS::WAFv2::WebACLAssociation")["ResourceArn"]

    assert {"Ref": stage} in list(walk(arn))
    assert assembly.resources("AWS::WAFv2::WebACL") == {}


def test_the_firewall_lets_requests_through_that_are_larger_than_eight_kilobytes(workshop: Workshop) -> None:
    rules = workshop.synthesize([], waf=True).only("AWS::WAFv2::WebACL")["Rules"]
    (common,) = (rule for rule in rules if rule["Name"] == "AWSManagedRulesCommonRuleSet")

    overrides = common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]

    assert overrides == [{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}]


@pytest.mark.parametrize(
    "settings",
    [
        {"throttling": {"rate_per_second": 1, "burst": 1}},
        {"log_retention_days": 7},
        {"waf": True},
        {"removal_policy": "destroy"},
        {"alarm_email": "watch@example.com"},
    ],
)
def test_the_deployment_stays_when_neither_routes_nor_authorisation_change(
    workshop: Workshop, assembly: Assembly, settings: dict[str, Any]
) -> None:
    changed = workshop.synthesize(sample_packages(workshop), **settings)

    assert deployment_of(changed) == deployment_of(assembly)


@pytest.mark.parametrize("settings", [{"documentation": "authorised"}, {"authorization": "api_key"}])
def test_the_deployment_is_replaced_when_authorisation_changes(
    workshop: Workshop, assembly: Assembly, settings: dict[str, Any]
) -> None:
    changed = workshop.synthesize(sample_packages(workshop), **settings)

    assert deployment_of(changed) != deployment_of(assembly)


def test_the_deployment_is_replaced_when_a_route_is_added(workshop: Workshop, assembly: Assembly) -> None:
    more = workshop.synthesize([*sample_packages(workshop), workshop.package("one_more")])

    assert deployment_of(more) != deployment_of(assembly)


def test_logs_need_the_accounts_role_before_there_is_a_stage_and_after_it_is_gone(assembly: Assembly) -> None:
    resources = assembly.template()["Resources"]
    (account,) = (name for name, resource in resources.items() if resource["Type"] == "AWS::ApiGateway::Account")
    (stage,) = (resource for resource in resources.values() if resource["Type"] == "AWS::ApiGateway::Stage")

    assert account in stage["DependsOn"]
    assert resources[account]["DeletionPolicy"] == "Retain"
