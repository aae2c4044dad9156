"""CDK's bootstrap: whether it is there, in the version that the assembly needs, with its bucket and repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cdk.preflight.account.clients import Account
from cdk.preflight.account.rules import NOT_BOOTSTRAPPED, STORE_MISSING
from cdk.preflight.findings import Finding


def check(account: Account, assembly: Path) -> Iterator[Finding]:
    """Raises: NotAsked if the account does not answer."""
    manifest = json.loads((assembly / "manifest.json").read_bytes())
    needed = dict(_needed(manifest))
    for parameter, version in needed.items():
        answer = account.ask("ssm", "get_parameter", Name=parameter)
        found = int(answer["Parameter"]["Value"]) if answer else None
        if found is None or found < version:
            yield NOT_BOOTSTRAPPED.broken(
                f"account {account.number}, {account.region}, {parameter}",
                found="no bootstrap" if found is None else f"version {found}",
                allowed=f"version {version} or more",
                change=f"cdk bootstrap aws://{account.number}/{account.region}",
            )
            return
    yield from _store_findings(account, assembly, manifest)


def _needed(manifest: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for artifact in manifest["artifacts"].values():
        properties = artifact.get("properties", {})
        if "bootstrapStackVersionSsmParameter" in properties:
            yield properties["bootstrapStackVersionSsmParameter"], properties["requiresBootstrapStackVersion"]


def _store_findings(account: Account, assembly: Path, manifest: dict[str, Any]) -> Iterator[Finding]:
    buckets, repositories = set[str](), set[str]()
    for artifact in manifest["artifacts"].values():
        if artifact["type"] == "cdk:asset-manifest":
            assets = json.loads((assembly / artifact["properties"]["file"]).read_bytes())
            buckets |= set(_destinations(assets.get("files", {}), "bucketName"))
            repositories |= set(_destinations(assets.get("dockerImages", {}), "repositoryName"))
    for bucket in sorted(_resolved(name, account) for name in buckets):
        if account.ask("s3", "head_bucket", Bucket=bucket) is None:
            yield _missing(account, f"bucket {bucket}")
    for repository in sorted(_resolved(name, account) for name in repositories):
        if account.ask("ecr", "describe_repositories", repositoryNames=[repository]) is None:
            yield _missing(account, f"repository {repository}")


def _destinations(assets: dict[str, Any], key: str) -> Iterator[str]:
    for asset in assets.values():
        yield from (destination[key] for destination in asset["destinations"].values())


def _resolved(name: str, account: Account) -> str:
    return name.replace("${AWS::AccountId}", account.number).replace("${AWS::Region}", account.region)


def _missing(account: Account, what: str) -> Finding:
    return STORE_MISSING.broken(
        what,
        found="nothing of that name",
        allowed="what cdk bootstrap makes",
        change=f"cdk bootstrap aws://{account.number}/{account.region}",
    )
