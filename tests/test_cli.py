"""The command line as a script or a person meets it: help with an example, exit codes, one sentence for a mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import cli

COMMANDS = sorted(
    command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback
)


def run_flyball(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(Path(cli.__file__)), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_commands_are_those_that_the_documentation_names() -> None:
    assert COMMANDS == [
        "approve",
        "check",
        "diff",
        "down",
        "history",
        "invoke",
        "logs",
        "new",
        "preflight",
        "reject",
        "replay",
        "reset",
        "retrain",
        "rollback",
        "simulate",
        "status",
        "synth",
        "train",
        "up",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"})

    assert result.exit_code == 0
    assert f"flyball {command}" in result.output
    assert "Example" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does_in_one_sentence(command: str) -> None:
    click_command = typer.main.get_command(cli.app)
    summary = click_command.commands[command].help  # type: ignore[attr-defined]

    assert summary is not None
    assert summary.rstrip().endswith(".")


def test_a_mistake_is_one_sentence_and_exit_code_2() -> None:
    result = run_flyball("train", "nonesuch")

    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("flyball: no model package is called 'nonesuch'; there are:")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [("--debug", "train", "nonesuch"), ("train", "nonesuch", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(arguments: tuple[str, ...]) -> None:
    result = run_flyball(*arguments)

    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_an_unknown_command_is_exit_code_2() -> None:
    assert run_flyball("deplyo").returncode == 2
