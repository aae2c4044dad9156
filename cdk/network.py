"""Where an installation's functions and models have their network interfaces: nowhere of ours, in a VPC of its own, or
in one that is there already. docs/decisions/vpc.md says what reaches what, and why.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from cdk.interfaces import Interfaces
from cdk.isolated_vpc import IsolatedVpc
from cdk.private_services import PrivateServices
from cdk.settings import PlatformSettings


class Network(Construct):
    """`functions`, `pointers` (the function that creates champion pointers), `models` and `jobs` that train or evaluate
    one: each one's interfaces, None without a VPC. `ways` has to be there before a function of a new VPC reaches
    anything.
    """

    functions: Interfaces | None = None
    pointers: Interfaces | None = None
    models: Interfaces | None = None
    jobs: Interfaces | None = None
    ways: Sequence[IDependable] = ()
    made_for_models: Sequence[str] = ()
    """What the templates of models refer to."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, settings: PlatformSettings) -> None:
        super().__init__(scope, construct_id)
        if settings.vpc.mode == "create":
            self._create(key=key, settings=settings)
        elif settings.vpc.mode == "existing":
            there = Interfaces(settings.vpc.subnet_ids, settings.vpc.security_group_ids)
            self.functions = self.pointers = self.models = self.jobs = there

    def _create(self, *, key: kms.IKey, settings: PlatformSettings) -> None:
        vpc = IsolatedVpc(self, "Vpc", key=key, settings=settings)
        services = PrivateServices(self, "Services", vpc=vpc, settings=settings)
        self.functions = Interfaces(vpc.subnet_ids, (services.functions_group,))
        self.pointers = Interfaces(vpc.subnet_ids, (services.pointers_group,))
        self.models = Interfaces(vpc.subnet_ids, (services.models_group,))
        self.jobs = Interfaces(vpc.subnet_ids, (services.jobs_group,))
        self.ways = (*vpc.routes, *services.endpoints, *services.rules)
        self.made_for_models = (
            *vpc.subnet_ids,
            services.functions_group,
            services.models_group,
            services.jobs_group,
        )
