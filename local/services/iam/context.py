"""The condition keys that the local cloud knows a value of, or knows to be absent. Any other key is refused by name.

Plain HTTP on the loopback interface stands for TLS: `aws:SecureTransport` is true. There is no organization, no VPC
endpoint and no second factor, and a function's session does not say which function it is of, so those keys have no
value here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from local.services.iam.patterns import Context

KNOWN_KEYS: Final = frozenset(
    {
        *("aws:currenttime", "aws:epochtime", "aws:federatedprovider", "aws:multifactorauthage"),
        *("aws:multifactorauthpresent", "aws:principalaccount", "aws:principalarn", "aws:principalisawsservice"),
        *("aws:principalorgid", "aws:principalorgpaths", "aws:principalservicename", "aws:principaltype"),
        *("aws:referer", "aws:requestedregion", "aws:resourceaccount", "aws:resourceorgid", "aws:securetransport"),
        *("aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:sourceorgid", "aws:sourceorgpaths"),
        *("aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:tagkeys", "aws:useragent", "aws:userid"),
        *("aws:username", "aws:viaawsservice", "aws:vpcsourceip", "cloudwatch:namespace"),
        *("iam:associatedresourcearn", "iam:passedtoservice", "iam:permissionsboundary", "iam:policyarn"),
        "lambda:sourcefunctionarn",
        *("kms:calleraccount", "kms:encryptioncontextkeys", "kms:grantisforawsresource", "kms:viaservice"),
        *("s3:delimiter", "s3:max-keys", "s3:prefix", "s3:resourceaccount", "s3:versionid", "s3:x-amz-acl"),
        *("s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
        *("sns:endpoint", "sns:protocol", "sts:externalid", "sts:rolesessionname"),
    }
)
KNOWN_PREFIXES: Final = ("aws:principaltag/", "aws:requesttag/", "kms:encryptioncontext:")

LOCAL_ADDRESS: Final = "127.0.0.1"


def unknown_keys(keys: Iterable[str]) -> list[str]:
    """Those that the local cloud can say nothing about."""
    return sorted({key for key in keys if key not in KNOWN_KEYS and not key.startswith(KNOWN_PREFIXES)})


def surroundings(*, account: str, region: str, now: datetime, user_agent: str = "") -> Context:
    """What is known of every request."""
    return {
        "aws:currenttime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "aws:epochtime": str(int(now.timestamp())),
        "aws:requestedregion": region,
        "aws:resourceaccount": account,
        "s3:resourceaccount": account,
        "aws:securetransport": "true",
        "aws:sourceip": LOCAL_ADDRESS,
        "aws:useragent": user_agent,
        "aws:viaawsservice": "false",
    }


def tags_in(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a call gives to something, in whichever of AWS's three forms."""
    found = next((parameters[name] for name in ("Tags", "tags") if parameters.get(name)), None)
    if isinstance(found, Mapping):
        return {str(key): str(value) for key, value in found.items()}
    tags = found if isinstance(found, list) else []
    names = (("Key", "Value"), ("key", "value"), ("TagKey", "TagValue"))
    return {
        str(tag[key]): str(tag.get(value, ""))
        for tag in tags
        if isinstance(tag, Mapping)
        for key, value in names
        if key in tag
    }


def tag_context(parameters: Mapping[str, Any]) -> Context:
    """`aws:RequestTag/<key>` and `aws:TagKeys`; the keys that are taken away count too."""
    tags = tags_in(parameters)
    keys = tuple(tags) or tuple(parameters.get("TagKeys") or parameters.get("tagKeys") or ())
    return {
        **{f"aws:requesttag/{key.lower()}": value for key, value in tags.items()},
        **({"aws:tagkeys": keys} if keys else {}),
    }
