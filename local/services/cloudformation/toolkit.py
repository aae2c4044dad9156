"""CDKToolkit, the stack that `cdk bootstrap` makes: the same template file and the same parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from local.deploy.assembly import Assembly, AssemblyStack
from local.services.cloudformation.templates import parse
from model_packages.errors import OperatorError

NAME = "CDKToolkit"
TEMPLATE = Path("node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml")
EXECUTION_ROLE = "arn:aws:iam::{account}:role/cdk-hnb659fds-cfn-exec-role-{account}-{region}"

PARAMETERS = {
    "TrustedAccounts": "",
    "TrustedAccountsForLookup": "",
    "CloudFormationExecutionPolicies": "",
    "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
    "PublicAccessBlockConfiguration": "true",
}
"""What the command line passes where nobody says otherwise; the others have the template's defaults."""


def toolkit_stack(root: Path) -> AssemblyStack:
    """The stack, from the command line that is installed in the project.

    Raises: OperatorError if none is.
    """
    try:
        text = (root / TEMPLATE).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise OperatorError(f"{TEMPLATE} is not there; `make setup` installs the CDK command line") from error
    return AssemblyStack(name=NAME, template=parse(text), parameters=PARAMETERS, text=text)


def with_toolkit(assembly: Assembly, toolkit: AssemblyStack) -> Assembly:
    """The assembly with the toolkit's stack first, which all others need."""
    needing = (replace(stack, needs=stack.needs | {toolkit.name}) for stack in assembly.stacks)
    return Assembly((toolkit, *needing))
