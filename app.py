"""What `cdk` runs: finds the model packages, and makes one platform stack and one stack a package."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from aws_cdk import App

from cdk.model_stack import ModelStack
from cdk.platform_stack import PlatformStack
from cdk.preflight.review import Review, review_synth
from cdk.rules import apply_rules
from cdk.settings import check_packages, read_settings
from cdk.sizing import sized
from cdk.sources import Sources
from model_packages.discovery import discover
from model_packages.errors import OperatorError


def assemble(app: App, sources: Sources) -> Sources:
    """Makes the stacks; returns the sources with the packages as the environment runs them.

    Raises: OperatorError if a setting is wrong, or a package has not been trained.
    """
    settings = read_settings(app.node)
    check_packages(sources.packages, settings)
    sources.check_artifacts()
    sources = replace(sources, packages=tuple(sized(package, settings.instances) for package in sources.packages))
    platform = PlatformStack(app, sources=sources, settings=settings)
    for package in sources.packages:
        ModelStack(app, package=package, platform=platform)
    apply_rules(app)
    return sources


def synthesize(app: App, sources: Sources) -> Review:
    """Writes the templates, and says what of them would fail on AWS and what they cost.

    Raises: PreflightFailed that lists every error.
    """
    return review_synth(
        Path(app.synth().directory),
        packages=sources.packages,
        models=sources.build_folder / "models",
        monthly_budget_usd=read_settings(app.node).monthly_budget_usd,
    )


if __name__ == "__main__":
    try:
        app = App(analytics_reporting=False)
        sources = assemble(app, Sources(discover()))
        print(synthesize(app, sources).text, file=sys.stderr)
    except OperatorError as error:
        sys.exit(str(error))
