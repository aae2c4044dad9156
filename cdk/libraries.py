"""The Lambda layer with the libraries of a model's larger functions, of which its own code is less than a hundredth.

Each stack has a version of its own. One for all would be an export, which cannot change while another stack imports it:
docs/decisions/function-libraries.md.
"""

from __future__ import annotations

from aws_cdk import AssetHashType
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.names import PackageNames
from cdk.sources import Sources


class Libraries(lambda_.LayerVersion):
    """Other libraries are another version: CloudFormation makes it before the functions change, and deletes the old one
    after everything else has changed.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: PackageNames, sources: Sources) -> None:
        asset = sources.layer_asset()
        super().__init__(
            scope,
            construct_id,
            layer_version_name=names.libraries_layer,
            description=f"What the monitor and the retraining loop of {names.endpoint} import",
            code=lambda_.Code.from_asset(
                str(asset.path), asset_hash=asset.asset_hash, asset_hash_type=AssetHashType.CUSTOM
            ),
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_14],
            compatible_architectures=[lambda_.Architecture.X86_64],
        )
