"""The rules about an account. All are asked by `flyball preflight`, none by a synth."""

from __future__ import annotations

from cdk.preflight.findings import error, warning

QUOTA_TOO_SMALL = error(
    "quota-too-small", "The account may run fewer instances of the type than the endpoints start with: creation fails."
)
QUOTA_TIGHT = warning(
    "quota-tight",
    "The quota does not hold every instance that scaling allows together with the second fleet of a rollout.",
)
QUOTA_UNLISTED = warning(
    "quota-unlisted", "The region has no quota for the instance type at endpoints: it may not be offered there."
)
CONCURRENCY_SMALL = warning(
    "lambda-concurrency", "The account's Lambda concurrency is less than the requests that the API lets in at once."
)
API_TIMEOUT_TOO_LONG = error(
    "api-timeout-quota", "A route waits longer than the account's quota for API Gateway allows: the method is refused."
)
NOT_BOOTSTRAPPED = error(
    "not-bootstrapped", "The account and region have no CDK bootstrap of the version that the assembly needs."
)
STORE_MISSING = error(
    "asset-store-missing",
    "A bucket or repository that assets are uploaded to is not there, or not for these credentials.",
)
NAME_TAKEN = error(
    "name-taken", "A resource of a stack that is not deployed exists already: CloudFormation refuses to create it."
)
NOT_ASKED = warning("not-asked", "A question to the account was refused: what it would have found is not known.")
RULES = (
    QUOTA_TOO_SMALL,
    QUOTA_TIGHT,
    QUOTA_UNLISTED,
    CONCURRENCY_SMALL,
    API_TIMEOUT_TOO_LONG,
    NOT_BOOTSTRAPPED,
    STORE_MISSING,
    NAME_TAKEN,
    NOT_ASKED,
)
