"""What `cdk deploy --all` does, without the command line: assets, images and stacks, each after what it needs."""

from __future__ import annotations

from local.deploy.assembly import ACCOUNT, REGION, Assembly, AssemblyStack
from local.deploy.check import check_assembly
from local.deploy.engine import StackOutcome
from local.deploy.handlers import Surroundings
from local.deploy.publishing import publish
from local.deploy.schedule import run_in_order
from local.services.cloudformation.operations import StackOperations
from local.services.cloudformation.toolkit import EXECUTION_ROLE, NAME
from local.services.ecr_images import Images

STACKS_AT_A_TIME = 4


def deploy_assembly(assembly: Assembly, *, operations: StackOperations, images: Images) -> list[StackOutcome]:
    """Deploys every stack after those that it needs, the others at the same time; one that is as it should be stays.

    Raises UnsupportedAssembly before anything is created, StackFailed after the failed stack is rolled back;
    stacks that were under way then are finished first, and no other is begun.
    """
    clients = operations.clients_as(None)
    surroundings = Surroundings(clients, operations.clock, operations.receiver, REGION, ACCOUNT)
    check_assembly(assembly, registry=operations.registry, surroundings=surroundings)

    def deploy(name: str) -> StackOutcome:
        stack = stacks[name]
        publish(stack, clients)
        for image in stack.images:
            images.find(image.tag)
        return operations.deploy(stack, role_arn=_role(stack))

    stacks = {stack.name: stack for stack in assembly.stacks}
    outcomes = run_in_order({name: stack.needs for name, stack in stacks.items()}, deploy, at_a_time=STACKS_AT_A_TIME)
    return [outcomes[name] for name in stacks]


def _role(stack: AssemblyStack) -> str:
    """Whoever `cdk` would have deploy it: CloudFormation's own role, or, for the toolkit that makes it, the caller."""
    return "" if stack.name == NAME else EXECUTION_ROLE.format(account=ACCOUNT, region=REGION)
