"""The `flyball` command. Each command calls one function of the kit and prints what it returns."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from local.project import Project
from model_packages.errors import OperatorError

if TYPE_CHECKING:
    from local.retraining import Ended, Loop

T = TypeVar("T")

app = typer.Typer(
    name="flyball",
    help="Put torch models into production on AWS and keep them right.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Names = Annotated[list[str] | None, typer.Argument(metavar="[PACKAGE]...", help="Packages; all of them by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script instead of text for a person.")]
HttpsPort = Annotated[int, typer.Option(help="Port of the HTTPS API.", min=1, max=65535)]
CloudPort = Annotated[int, typer.Option(help="Port for AWS clients (AWS_ENDPOINT_URL).", min=1, max=65535)]
ConsolePort = Annotated[int, typer.Option(help="Port of the console page.", min=1, max=65535)]

EnvironmentName = Annotated[
    str | None,
    typer.Option("--environment", help="dev, staging or prod, as cdk.json has it; dev by default."),
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: FBT002
) -> None:
    """Options of every command. main() takes --debug out of the arguments itself, wherever it stands."""


@app.command(epilog="Example: [bold]flyball up --https-port 9443[/bold]")
def up(
    https_port: HttpsPort = 8443,
    cloud_port: CloudPort = 8444,
    console_port: ConsolePort = 8445,
    environment: EnvironmentName = None,
    deploy: Annotated[  # noqa: FBT002
        bool, typer.Option(help="Or serve what the cloud holds, for the cdk command line to deploy into.")
    ] = True,
) -> None:
    """Train what is not trained, deploy into the local cloud, and serve until Ctrl-C."""
    from local.tuning import tune_process  # noqa: PLC0415

    tune_process()
    from local.ports import Ports  # noqa: PLC0415
    from local.up import up as run  # noqa: PLC0415 - the local cloud takes a second to import

    ports = Ports(https=https_port, cloud=cloud_port, console=console_port)
    asyncio.run(run(_project(), ports=ports, say=_say, environment=environment, deploys=deploy))


@app.command(epilog="Example: [bold]flyball down[/bold]")
def down() -> None:
    """Stop the local cloud that runs from this folder."""
    from local.running import stop_running  # noqa: PLC0415

    _say("stopped" if stop_running(_project()) else "no local cloud runs from this folder")


@app.command(epilog="Example: [bold]flyball reset --yes[/bold]")
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002
) -> None:
    """Delete what the local cloud holds, so that the next `up` starts afresh. Trained versions stay."""
    from local.running import require_stopped  # noqa: PLC0415
    from local.state.reset import leftovers, text  # noqa: PLC0415
    from local.state.reset import reset as run  # noqa: PLC0415

    require_stopped(_project())
    _say(f"to be deleted (trained versions and the certificate stay):\n{text(leftovers(_project()), _project())}")
    if not yes and not typer.confirm("Delete it?", err=True):
        raise typer.Exit(1)
    run(_project())
    _say("deleted; `flyball up` starts afresh")


@app.command(epilog="Example: [bold]flyball new churn[/bold], then [bold]flyball up[/bold]")
def new(
    name: Annotated[str, typer.Argument(help="The package's name: lower case letters, digits, underscores.")],
) -> None:
    """Make a new model package that trains, deploys and answers as it is."""
    from model_packages.scaffold import scaffold  # noqa: PLC0415

    folder = scaffold(name, _project().packages)
    _say(f"made {folder.relative_to(_project().root)}: start with its schema.py, then `flyball check {name}`")


@app.command(epilog="Example: [bold]flyball check digits[/bold]")
def check(names: Names = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Run the conformance tests of packages on their trained versions; exit code 1 if any fails."""
    from local.checking import check_all  # noqa: PLC0415

    findings = _run(check_all(names or [], project=_project(), say=_say))
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.passed else "FAIL"
            typer.echo(f"{mark} {finding.package}: {finding.check}{f' ({finding.detail})' if finding.detail else ''}")
    raise typer.Exit(0 if all(finding.passed for finding in findings) else 1)


@app.command(epilog="Example: [bold]flyball train payments[/bold]")
def train(names: Names = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Train packages on this machine and keep the result as their first version."""
    from local.training import train_all  # noqa: PLC0415

    versions = _run(train_all(names or [], project=_project(), say=_say))
    if as_json:
        _print_json([version.manifest for version in versions])


@app.command(epilog="Example: [bold]flyball synth --validate[/bold]")
def synth(
    validate: Annotated[bool, typer.Option("--validate", help="Also run CDK's own template validator.")] = False,  # noqa: FBT002
    environment: EnvironmentName = None,
) -> None:
    """Synthesize the CloudFormation templates into cdk.out."""
    from local.synthesis import synth as run  # noqa: PLC0415

    result = _run(run(_project(), say=_say, validate=validate, environment=environment))
    _say(result.review)
    _say(f"{'synthesized into' if result.fresh else 'nothing has changed in'} {result.assembly.name}")


@app.command(epilog="Example: [bold]flyball preflight --environment prod[/bold]")
def preflight(environment: EnvironmentName = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Say what of a deploy would fail; with AWS credentials, ask the account too. Exit code 1 if anything would."""
    from local.review import preflight as run  # noqa: PLC0415

    raise typer.Exit(_run(run(_project(), say=_say, show=typer.echo, environment=environment, as_json=as_json)))


@app.command(epilog="Example: [bold]flyball diff --environment prod[/bold]")
def diff(environment: EnvironmentName = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show what a deploy would change of the templates and of the monthly cost, in the local cloud or on AWS."""
    from local.review import diff as run  # noqa: PLC0415

    raise typer.Exit(_run(run(_project(), say=_say, show=typer.echo, environment=environment, as_json=as_json)))


@app.command(
    epilog="Examples: [bold]flyball invoke digits[/bold], [bold]flyball invoke digits --data request.json[/bold], "
    "[bold]cat request.json | flyball invoke digits --data -[/bold]"
)
def invoke(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package to call.")],
    data: Annotated[str | None, typer.Option(help="A file with the request, or - for standard input.")] = None,
    example: Annotated[int, typer.Option(help="Send this one of the package's examples.", min=0)] = 0,
    url: Annotated[str | None, typer.Option(help="Base address of an API on AWS instead of the local one.")] = None,
) -> None:
    """Send one signed request through the HTTPS API; exit code 1 unless the answer is 200."""
    from local.invocation import invoke as run  # noqa: PLC0415

    answer = run(_project(), package=name, data=data, example=example, url=url)
    typer.echo(answer.body.decode("utf-8", errors="replace"))
    raise typer.Exit(0 if answer.status == 200 else 1)


@app.command(epilog="Example: [bold]flyball status --json[/bold]")
def status(as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show the local cloud, and each package's endpoint and version."""
    from local.status import report, text  # noqa: PLC0415

    found = report(_project())
    if as_json:
        _print_json(asdict(found))
    else:
        typer.echo(text(found))


@app.command(epilog="Example: [bold]flyball logs digits --since-minutes 5[/bold]")
def logs(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package whose logs to show.")],
    since_minutes: Annotated[float, typer.Option(help="How far back to begin.", min=0)] = 60.0,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show what a package's gateway function and model server logged."""
    from local.log_events import events_of  # noqa: PLC0415

    for event in events_of(_project(), package=name, since_minutes=since_minutes):
        typer.echo(json.dumps(asdict(event)) if as_json else f"{event.time} {event.source}: {event.message}")


@app.command(
    epilog="Examples: [bold]flyball replay payments --rows 4000[/bold], "
    "[bold]flyball replay payments --rows 4000 --shift amount --at 50% --size 1[/bold]"
)
def replay(  # noqa: PLR0913, PLR0917  # the options of a command
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package to send traffic to.")],
    rows: Annotated[int, typer.Option(help="How many requests.", min=1, max=1_000_000)] = 4000,
    days: Annotated[float, typer.Option(help="Over how much simulated time.", min=0.01, max=365)] = 30.0,
    shift: Annotated[str | None, typer.Option(metavar="FIELD", help="Change this field of the requests.")] = None,
    at: Annotated[str, typer.Option(help="From when on: 50%, or a moment in ISO 8601.")] = "50%",
    size: Annotated[
        float | None,
        typer.Option(help="Standard deviations of a number, else a share of the requests; 1 or 0.5 by default."),
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="The field goes missing instead.")] = False,  # noqa: FBT002
    labels: Annotated[bool, typer.Option(help="Send the labels too, once they are known.")] = True,  # noqa: FBT002
    label_days: Annotated[float, typer.Option(help="How long a label takes.", min=0, max=365)] = 1.0,
    speed: Annotated[
        float | None, typer.Option(help="At most so many simulated seconds a second; as fast as it goes by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same traffic.")] = 0,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Send realistic traffic through the HTTPS API under an accelerated clock, and see which alarms go off."""
    from local.replay.replay import Order, document, text  # noqa: PLC0415
    from local.replay.replay import replay as run  # noqa: PLC0415
    from model_packages.shifting import Shift  # noqa: PLC0415

    change = Shift(field=shift, size=size, missing=missing) if shift else None
    order = Order(
        package=name,
        rows=rows,
        days=days,
        seed=seed,
        shift=change,
        at=at,
        labels=labels,
        label_days=label_days,
        speed=speed,
    )
    outcome = _run(run(_project(), order, say=_say))
    if as_json:
        _print_json(document(outcome))
    else:
        typer.echo(text(outcome))


@app.command(
    epilog="Examples: [bold]flyball simulate payments[/bold], "
    "[bold]flyball simulate payments --captures captured --rows 2000 --size 0.2[/bold]"
)
def simulate(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package whose monitor settings to try.")],
    captures: Annotated[
        Path | None, typer.Option(help="A folder of captured files; by default the data it was trained on.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Rows of a window; by default what the package's budget expects.", min=1)
    ] = None,
    size: Annotated[
        list[float] | None, typer.Option(help="A shift to try: standard deviations, or a share of the rows.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Say how often the monitor's settings call a change where there is none, and how soon one that there is."""
    from local.simulation import simulate as run  # noqa: PLC0415

    order = run(name, project=_project(), captures=captures, rows=rows, sizes=size or [], as_json=as_json)
    typer.echo(_run(order))


@app.command(epilog="Example: [bold]flyball retrain payments --reason 'new merchants'[/bold]")
def retrain(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package to train a new version of.")],
    reason: Annotated[str, typer.Option(help="Why; the history shows it.")] = "",
    wait: Annotated[bool, typer.Option(help="Or start the run and leave it alone.")] = True,  # noqa: FBT002
) -> None:
    """Start a run of the retraining loop; exit code 1 if it does not end as it should."""
    from local.retraining import asked, open_loop  # noqa: PLC0415

    with asked():
        loop = open_loop(_project(), name, say=_say)
        ended = _watched(loop, loop.start(reason=reason), wait=wait)
    _tell(ended)


@app.command(epilog="Examples: [bold]flyball rollback payments[/bold], [bold]flyball rollback payments --to 3[/bold]")
def rollback(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package to take back.")],
    to: Annotated[str | None, typer.Option(help="A version's number, or initial; the one before by default.")] = None,
    reason: Annotated[str, typer.Option(help="Why; the history shows it.")] = "",
    wait: Annotated[bool, typer.Option(help="Or start it and leave it alone.")] = True,  # noqa: FBT002
) -> None:
    """Put an earlier version into service again, with the same bakes and alarms as any other."""
    from local.retraining import asked, open_loop  # noqa: PLC0415

    with asked():
        loop = open_loop(_project(), name, say=_say)
        arn = loop.version(to) if to else loop.previous()
        ended = _watched(loop, loop.start(reason=reason, rollback_to=arn), wait=wait)
    _tell(ended)


@app.command(epilog="Example: [bold]flyball approve payments[/bold]")
def approve(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package whose new version waits.")],
) -> None:
    """Have the version rolled out that waits for an approval."""
    from local.retraining import asked, open_loop  # noqa: PLC0415

    with asked():
        version = open_loop(_project(), name, say=_say).approve()
    _say(f"version {version} of {name} is approved and is rolled out now; `flyball history {name}` tells how it goes")


@app.command(epilog="Example: [bold]flyball reject payments --reason 'slower in the morning'[/bold]")
def reject(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package whose new version waits.")],
    reason: Annotated[str, typer.Option(help="Why; the history shows it.")] = "",
) -> None:
    """Have the version rejected that waits for an approval."""
    from local.retraining import asked, open_loop  # noqa: PLC0415

    with asked():
        version = open_loop(_project(), name, say=_say).reject(reason=reason)
    _say(f"version {version} of {name} is rejected; the champion stays")


@app.command(epilog="Example: [bold]flyball history payments[/bold]")
def history(
    name: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package whose versions to tell of.")],
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show each run of the retraining loop: what started it, what it made, and why that serves or does not."""
    from local.retraining import asked, open_loop  # noqa: PLC0415
    from local.retraining_history import text  # noqa: PLC0415

    with asked():
        found = open_loop(_project(), name, say=_say).history()
    if as_json:
        _print_json(found)
    else:
        typer.echo(text(found))


def main() -> None:
    """The entry point: an operator's mistake is one message and exit code 2, with a traceback only for --debug."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except (OperatorError, OSError) as error:  # OSError: a full disk, a folder that nobody may write to
        if len(arguments) < len(sys.argv) - 1:
            traceback.print_exc()
        typer.secho(f"flyball: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2)


def _project() -> Project:
    return Project(root=Path(__file__).resolve().parent)


def _watched(loop: Loop, execution: str, *, wait: bool) -> Ended | None:
    """How a run ended; None where nobody waits for it."""
    _say(f"started {execution.rpartition(':')[2]}")
    return loop.follow(execution, say=_say) if wait else None


def _tell(ended: Ended | None) -> None:
    """Prints how a run ended, and ends with its exit code."""
    if ended is not None:
        typer.echo(f"{ended.outcome}: {ended.summary}")
        raise typer.Exit(0 if ended.is_well else 1)


def _say(line: str) -> None:
    """Progress and notes go to standard error, so that standard output is the result alone."""
    typer.echo(line, err=True)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
