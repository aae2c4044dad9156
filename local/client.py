"""What the command line asks of a running cloud: one signed HTTPS call, and AWS clients pointed at it.

The call is signed with botocore, so the same code reaches an API on AWS with the caller's own credentials.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.session import Session

from local.running import ACCESS_KEY, REGION, SECRET_KEY, RunningCloud
from model_packages.errors import OperatorError

TIMEOUT_SECONDS = 60.0
_HTTPS_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[\w.~/-]*)?$")
"""Not http: a signed request would travel in the clear."""


@dataclass(frozen=True, slots=True)
class Target:
    """An API to call: its base address, who signs, and whom to trust."""

    url: str
    region: str
    credentials: ReadOnlyCredentials
    certificate: Path | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status, and its body as it came."""

    status: int
    body: bytes


def local_target(running: RunningCloud) -> Target:
    """The API of the local cloud, with its own credentials."""
    return Target(
        url=running.api_url,
        region=REGION,
        credentials=ReadOnlyCredentials(ACCESS_KEY, SECRET_KEY, None),
        certificate=Path(running.certificate),
    )


def aws_target(url: str) -> Target:
    """An API on AWS, with the credentials that botocore finds on this machine.

    Raises: OperatorError if it finds none, or `url` is no address of an API.
    """
    if not _HTTPS_ADDRESS.match(url):
        raise OperatorError(f"found the address {url!r}; allowed: https://HOST/STAGE, as the output ApiUrl says it")
    session = Session()
    credentials: Credentials | None = session.get_credentials()
    if credentials is None:
        raise OperatorError("no AWS credentials found; set AWS_PROFILE or the usual AWS_* variables")
    region = re.search(r"execute-api\.([a-z0-9-]+)\.", url)
    return Target(
        url=url.rstrip("/"),
        region=region.group(1) if region else session.get_config_variable("region") or REGION,
        credentials=credentials.get_frozen_credentials(),
        certificate=None,
    )


def call(target: Target, *, method: str, path: str, body: bytes | None = None) -> Answer:
    """One signed request.

    Raises: OperatorError if nobody answers at the address.
    """
    request = AWSRequest(
        method=method,
        url=target.url + quote(path),
        data=body,
        headers={} if body is None else {"Content-Type": "application/json"},
    )
    SigV4Auth(target.credentials, "execute-api", target.region).add_auth(request)
    context = ssl.create_default_context(cafile=target.certificate)
    with urllib3.PoolManager(ssl_context=context, retries=False, timeout=TIMEOUT_SECONDS) as pool:
        try:
            answer = pool.request(method, request.url, body=body, headers=dict(request.headers.items()))
        except urllib3.exceptions.HTTPError as error:
            raise OperatorError(f"{target.url} does not answer: {error}") from error
    return Answer(status=answer.status, body=answer.data)


ADMINISTRATOR = ReadOnlyCredentials(ACCESS_KEY, SECRET_KEY, None)


def aws_client(service: str, *, endpoint_url: str, credentials: ReadOnlyCredentials = ADMINISTRATOR) -> Any:
    """A boto3 client of the local cloud, whatever the environment's AWS settings say."""
    import boto3  # noqa: PLC0415 - 0.2 s, and most commands do without

    return boto3.client(
        service,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
    )
