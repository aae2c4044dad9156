"""What `flyball preflight` and `flyball diff` do: synthesize, then hand the assembly to cdk/'s own programs and to the
CDK's command line, as processes, with the environment of the cloud that is asked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.processes import Children
from local.project import Project
from local.running import ACCESS_KEY, REGION, SECRET_KEY, find_running
from local.synthesis import LOCAL_CONTEXT, synth
from model_packages.errors import OperatorError

Say = Callable[[str], None]
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
EXIT_CODES: Mapping[int, int] = {0: 0, 4: 1}
"""How the programs of cdk/ answer, and what the command line makes of it; 1 would be a traceback's."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The cloud that a command asks: its name for a person, and the variables that lead AWS clients there."""

    name: str
    variables: Mapping[str, str]
    is_local: bool


AS_IT_IS = Cloud(name="the environment's", variables={}, is_local=False)
PERSONAL_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


def cloud_to_ask(project: Project, *, environment: Mapping[str, str]) -> Cloud:
    """The one that AWS_ENDPOINT_URL names; else the local cloud of this folder, where one runs; else AWS."""
    named = environment.get(ENDPOINT_VARIABLE)
    if named:
        return Cloud(name=named, variables={}, is_local=True)
    running = find_running(project)
    if running is None:
        return Cloud(name="AWS", variables={}, is_local=False)
    return Cloud(
        name=f"the local cloud at {running.aws_endpoint_url}",
        variables={
            ENDPOINT_VARIABLE: running.aws_endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        },
        is_local=True,
    )


async def preflight(
    project: Project, *, say: Say, show: Say, environment: str | None = None, as_json: bool = False
) -> int:
    """Every check on the templates, the packages and, with AWS credentials, the account; returns the exit code.

    Raises: OperatorError if the synth fails, which lists the errors that it found, or nobody answers.
    """
    synthesis = await synth(project, say=say, environment=environment)
    options = ["--json"] if as_json else []
    return await ask(project, ["cdk.preflight", str(synthesis.assembly), *options], cloud=AS_IT_IS, show=show)


async def diff(project: Project, *, say: Say, show: Say, environment: str | None = None, as_json: bool = False) -> int:
    """What a deploy would change: the real `cdk diff`, then the cost of each package; returns the exit code.

    `as_json` leaves the templates' difference to standard error and shows the cost's as JSON.

    Raises: OperatorError if the synth fails or nobody answers.
    """
    cloud = cloud_to_ask(project, environment=os.environ)
    context = LOCAL_CONTEXT if cloud.is_local else {}
    synthesis = await synth(project, say=say, environment=environment, context=context)
    say(f"comparing with {cloud.name}")
    await _cdk_diff(project, synthesis.assembly, show=say if as_json else show, cloud=cloud)
    options = ["--deployed", *(["--json"] if as_json else [])]
    return await ask(project, ["cdk.cost", str(synthesis.assembly), *options], cloud=cloud, show=show)


async def _cdk_diff(project: Project, assembly: Path, *, show: Say, cloud: Cloud) -> None:
    """Raises: OperatorError if the CDK's command line is not installed, or fails."""
    program = project.root / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if not program.is_file():
        raise OperatorError(f"{program} is not there; `make setup` installs the CDK's command line")
    node = Path(sys.executable).with_name("node")
    command = [node if node.is_file() else "node", program, "diff", "--no-notices", "--app", assembly]
    async with Children() as children:
        child = await children.start(command, name="cdk diff", env=_environment(cloud), cwd=project.root, on_line=show)
        if await child.wait() != 0:
            raise child.died()


async def ask(project: Project, arguments: Sequence[str], *, cloud: Cloud, show: Say) -> int:
    """Runs one of cdk/'s programs, shows its answer, and returns the exit code: 1 where it found errors.

    Raises: OperatorError with what it said if it ends without an answer.
    """
    lines: list[str] = []
    async with Children() as children:
        child = await children.start(
            [sys.executable, "-m", *arguments],
            name=arguments[0],
            env={**_environment(cloud), "PYTHONPATH": str(project.root)},
            cwd=project.root,
            on_line=lines.append,
        )
        code = await child.wait()
    if code not in EXIT_CODES:
        raise OperatorError("\n".join(lines))
    show("\n".join(lines))
    return EXIT_CODES[code]


def _environment(cloud: Cloud) -> dict[str, str]:
    """This process's, led to the cloud; a person's own profile would go before the variables that lead there."""
    own = {name: value for name, value in os.environ.items() if not cloud.variables or name not in PERSONAL_VARIABLES}
    return {**own, **cloud.variables}
