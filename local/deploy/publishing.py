"""Puts a stack's file assets into the toolkit's bucket, as `cdk deploy` does before it deploys.

Each is looked for first, so that publishing again changes nothing. Image assets are not built: the local cloud runs
their source.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

from botocore.exceptions import ClientError

from local.deploy.assembly import AssemblyStack, FileAsset
from local.deploy.handlers import Clients

_EPOCH = (1980, 1, 1, 0, 0, 0)


def publish(stack: AssemblyStack, clients: Clients) -> list[FileAsset]:
    """Uploads the stack's file assets that are not there yet, and returns those."""
    s3 = clients("s3")
    missing = [asset for asset in stack.files if not _exists(s3.head_object, Bucket=asset.bucket, Key=asset.key)]
    for asset in missing:
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=packaged(asset))
    return missing


def packaged(asset: FileAsset) -> bytes:
    """The asset's bytes; a folder becomes a zip that is the same for the same files, whenever it is made."""
    return zipped(asset.path) if asset.packaging == "zip" else asset.path.read_bytes()


def zipped(path: Path) -> bytes:
    """A folder's files (or one file) as a zip, in order of name, dated 1980, with their permissions.

    Nothing is compressed: it goes nowhere, and compressing a function takes a second.
    """
    files = [path] if path.is_file() else _files(path)
    root = path.parent if path.is_file() else path
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(root).as_posix(), _EPOCH)
            entry.external_attr = (file.stat().st_mode & 0o7777 | 0o100000) << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _exists(head: Callable[..., object], **where: str) -> bool:
    try:
        head(**where)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket", "NoSuchKey", "NotFound"):
            return False
        raise
    return True
