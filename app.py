"""What `cdk` runs: finds the model packages, and makes one platform stack and one stack a package."""

from __future__ import annotations

import sys

from aws_cdk import App

from cdk.model_stack import ModelStack
from cdk.platform_stack import PlatformStack
from cdk.rules import apply_rules
from cdk.settings import check_packages, read_settings
from cdk.sources import Sources
from model_packages.discovery import discover
from model_packages.errors import OperatorError


def assemble(app: App, sources: Sources) -> None:
    """Raises: OperatorError if a setting is wrong, or a package has not been trained."""
    settings = read_settings(app.node)
    check_packages(sources.packages, settings)
    sources.check_artifacts()
    platform = PlatformStack(app, sources=sources, settings=settings)
    for package in sources.packages:
        ModelStack(app, package=package, platform=platform)
    apply_rules(app)


if __name__ == "__main__":
    try:
        app = App(analytics_reporting=False)
        assemble(app, Sources(discover()))
        app.synth()
    except OperatorError as error:
        sys.exit(str(error))
