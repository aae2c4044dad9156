"""The whole path, as a newcomer walks it with the README in hand: a new package, `make up`, the printed line, wrong
input, a killed model server, `flyball down`. One cloud serves the first tests, in the order in which they stand here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.documents import Document
from tests.local.checkout import ROOT, Checkout, Serving, environment, http_answer, make_checkout

pytestmark = pytest.mark.slow

REFERENCE = ("digits", "payments", "tumours")
NEW = "churn"
README = Document(ROOT / "README.md")


def blocks(heading: str, language: str) -> list[str]:
    """What the README shows below a heading."""
    return [content for found, content in README.section(heading) if found == language]


def commands(heading: str) -> list[str]:
    """The lines that the README tells to type, without their comments."""
    lines = [line.partition(" #")[0].strip() for block in blocks(heading, "sh") for line in block.splitlines()]
    return [line for line in lines if line]


def follow(checkout: Checkout, line: str) -> str:
    """Types one line of the README, with this interpreter's `flyball` in place of the environment's."""
    program, *arguments = line.split()
    assert program == ".venv/bin/flyball", line
    done = checkout.flyball(*arguments)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Running:
    """The cloud that the tests share."""

    checkout: Checkout
    serving: Serving

    def curl(self, path: str, *arguments: str, signed: bool = True) -> tuple[int, dict[str, str], Any]:
        signature = ["--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", "local:local"] if signed else []
        return curl(
            self.checkout,
            ["curl", "--cacert", ".flyball/certificate/ca.pem", *signature, *arguments, self.url(path)],
        )

    def predict(
        self, package: str, request: bytes, *, content_type: str = "application/json"
    ) -> tuple[int, dict[str, str], Any]:
        data = self.checkout.root / ".flyball" / "request.json"
        data.write_bytes(request)
        headers = ["-H", f"content-type: {content_type}"]
        return self.curl(f"/models/{package}/predict", *headers, "--data-binary", f"@{data}")

    def examples(self, package: str) -> list[dict[str, Any]]:
        examples: list[dict[str, Any]] = json.loads(
            (self.checkout.root / "model_packages" / package / "examples.json").read_text()
        )
        return examples

    def example(self, package: str) -> dict[str, Any]:
        return self.examples(package)[0]

    def url(self, path: str) -> str:
        return f"https://localhost:{self.checkout.https_port}/api{path}"


def curl(checkout: Checkout, command: list[str] | str) -> tuple[int, dict[str, str], Any]:
    """Runs curl, or a pasted line in a shell, from the project's folder."""
    line = ["bash", "-c", f"{command} --silent --include"] if isinstance(command, str) else command
    options = [] if isinstance(command, str) else ["--silent", "--include", "--max-time", "40"]
    done = subprocess.run([*line, *options], cwd=checkout.root, capture_output=True, text=True, check=True, timeout=60)
    return http_answer(done.stdout)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    checkout = make_checkout(tmp_path_factory.mktemp("newcomer") / "flyball", packages=REFERENCE)
    for line in commands("Your own model")[:-1]:
        follow(checkout, line)
    assert commands("Your own model")[-1] == "make up"
    serving = checkout.make_up()
    try:
        yield Running(checkout, serving)
    finally:
        serving.stop(signal.SIGTERM)


@pytest.mark.parametrize("package", [*REFERENCE, NEW])
def test_the_printed_line_gives_a_prediction(running: Running, package: str) -> None:
    line = running.serving.curl_line(package)

    status, headers, answer = curl(running.checkout, line)

    assert status == 200, answer
    assert answer["prediction"].keys() == running.example(package)["response"].keys()
    assert answer["model"]["name"] == package
    assert answer["model"]["version"].startswith("initial-")
    assert answer["model"]["variant"] == "main"
    assert headers["x-inference-id"] == answer["inference_id"]


def test_the_readmes_line_gives_what_the_readme_shows(running: Running) -> None:
    (line,) = (line for line in commands("Flyball") if line.startswith("curl "))
    shown, _ = (json.loads(block) for block in blocks("Flyball", "json"))

    status, _, answer = curl(running.checkout, line.replace(":8443/", f":{running.checkout.https_port}/"))

    assert status == 200
    assert answer.keys() == shown.keys()
    assert answer["prediction"]["digit"] == shown["prediction"]["digit"]
    assert answer["prediction"]["probabilities"] == pytest.approx(shown["prediction"]["probabilities"], abs=0.01)
    assert answer["model"].keys() == shown["model"].keys()


def test_the_readme_shows_the_refusal_that_is_given(running: Running) -> None:
    _, shown = (json.loads(block) for block in blocks("Flyball", "json"))

    status, _, problem = running.predict("digits", b'{"image": 3, "size": 1}')

    assert status == shown["status"]
    assert problem == {**shown, "instance": problem["instance"]}


def test_the_pinned_cdk_command_line_finds_the_stacks(running: Running, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    listed = subprocess.run(
        [running.checkout.root / "node_modules/.bin/cdk", "list", "--output", tmp_path / "cdk.out"],
        cwd=running.checkout.root,
        env={**environment(), "PATH": path, "CDK_VALIDATION": "false"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert listed.returncode == 0, listed.stderr
    stacks = {line.split()[0] for line in listed.stdout.splitlines()}
    assert stacks == {"flyball-platform", *(f"flyball-{package}" for package in (*REFERENCE, NEW))}


def test_many_instances_are_answered_in_order(running: Running) -> None:
    examples = running.examples("digits")

    status, _, answer = running.predict(
        "digits", json.dumps({"instances": [example["request"] for example in examples]}).encode()
    )

    expected = [example["response"]["digit"] for example in examples]
    assert status == 200, answer
    assert len(set(expected)) > 1
    assert [prediction["digit"] for prediction in answer["predictions"]] == expected


def test_a_wrong_field_gives_a_problem_document_that_names_it(running: Running) -> None:
    request = running.example("tumours")["request"]
    name = next(iter(request))

    status, headers, problem = running.predict("tumours", json.dumps({**request, name: "wide", "sise": 1}).encode())

    assert status == 422
    assert headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:flyball:problem:invalid-request"
    assert {error["pointer"] for error in problem["errors"]} == {f"/{name}", "/sise"}
    assert all(error["found"] and error["allowed"] for error in problem["errors"])


def test_the_edge_refuses_what_is_no_request_for_a_model(running: Running) -> None:
    request = json.dumps(running.example("digits")["request"]).encode()

    too_large = running.predict("digits", b'{"image": "' + b"A" * 1_100_000 + b'"}')
    no_json = running.predict("digits", request, content_type="text/csv")
    unknown = running.predict("nonesuch", request)
    wrong_method = running.curl("/models/digits/predict")

    assert [answer[0] for answer in (too_large, no_json, unknown, wrong_method)] == [413, 415, 404, 405]
    assert unknown[2]["type"] == "urn:flyball:problem:unknown-model"
    assert wrong_method[1]["allow"] == "POST"


def test_an_unsigned_or_badly_signed_call_is_refused_before_any_function_runs(running: Running) -> None:
    path = "/models/digits/predict"

    unsigned = running.curl(path, "--data", "{}", signed=False)
    wrong_secret = running.curl(
        path, "--data", "{}", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", "local:other", signed=False
    )

    assert unsigned[0] == 403
    assert unsigned[2]["type"] == "urn:flyball:problem:missing-authentication-token"
    assert wrong_secret[0] == 403
    assert "signature" in wrong_secret[2]["detail"]


def test_the_documentation_comes_from_the_same_schemas(running: Running) -> None:
    status, _, document = running.curl("/openapi.json", signed=False)
    page_status, page_headers, page = running.curl("/models/tumours", signed=False)

    assert status == page_status == 200
    assert {f"/models/{package}/predict" for package in (*REFERENCE, NEW)} <= document["paths"].keys()
    assert page_headers["content-type"].startswith("text/html")
    assert all(field in page for field in running.example("tumours")["request"])


def test_the_commands_see_the_running_cloud(running: Running) -> None:
    status = running.checkout.flyball("status", "--json")
    invoked = running.checkout.flyball("invoke", "digits")
    refused = running.checkout.flyball("invoke", "digits", "--data", "README.md")
    logs = running.checkout.flyball("logs", "digits", "--json")

    packages = {package["name"]: package for package in json.loads(status.stdout)["packages"]}
    assert {package["endpoint_status"] for package in packages.values()} == {"InService"}
    assert invoked.returncode == 0
    assert json.loads(invoked.stdout)["prediction"]["digit"] == running.example("digits")["response"]["digit"]
    assert refused.returncode == 1
    sources = {json.loads(line)["source"] for line in logs.stdout.splitlines()}
    assert sources == {"gateway", "endpoint"}


def test_a_second_up_says_so_and_changes_nothing(running: Running) -> None:
    before = files(running.checkout.root)

    second = running.checkout.flyball("up")

    assert second.returncode == 0
    assert "nothing was changed" in second.stderr
    assert files(running.checkout.root) == before
    assert running.serving.process.poll() is None


def test_aws_clients_reach_it_and_what_is_not_implemented_is_refused_by_name(running: Running) -> None:
    import boto3  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    address = f"http://127.0.0.1:{running.checkout.cloud_port}"
    options = {"endpoint_url": address, "region_name": "us-east-1"}
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local")
    parameter = session.client("ssm", **options).get_parameter(Name=f"/flyball/{NEW}/champion")

    assert parameter["Parameter"]["Value"] == "none"
    with pytest.raises(ClientError, match="does not implement sagemaker:CreateMonitoringSchedule"):
        session.client("sagemaker", **options).create_monitoring_schedule(
            MonitoringScheduleName="watch", MonitoringScheduleConfig={"MonitoringJobDefinitionName": "x"}
        )


def test_a_killed_model_server_is_answered_503_and_comes_back(running: Running) -> None:
    request = json.dumps(running.example("digits")["request"]).encode()
    (victim,) = model_servers(running.checkout, "digits")

    os.kill(victim, signal.SIGKILL)
    down = answer_until(running, request, status=503)
    back = answer_until(running, request, status=200)

    assert down[2]["type"] == "urn:flyball:problem:model-unavailable"
    assert int(down[1]["retry-after"]) >= 1
    assert back[2]["prediction"]["digit"] == running.example("digits")["response"]["digit"]
    assert running.predict("payments", json.dumps(running.example("payments")["request"]).encode())[0] == 200


def test_down_leaves_no_process_and_no_record(running: Running) -> None:
    stopped = running.checkout.flyball("down")
    exit_code = running.serving.wait()

    assert stopped.returncode == 0
    assert exit_code == 0
    assert running.checkout.processes() == set()
    assert not (running.checkout.root / ".flyball" / "cloud.json").exists()
    assert running.checkout.flyball("invoke", "digits").returncode == 2


def test_up_again_trains_nothing_and_makes_no_new_templates(running: Running) -> None:
    before = {path: stamp for path, stamp in files(running.checkout.root).items() if not path.startswith(".flyball")}

    serving = running.checkout.up()
    try:
        after = files(running.checkout.root)
        assert not any(line.startswith(("training ", "trained ")) for line in serving.lines)
        assert "the templates are current" in serving.output
        assert {path: stamp for path, stamp in after.items() if not path.startswith(".flyball")} == before
        assert curl(running.checkout, serving.curl_line(NEW))[0] == 200
    finally:
        exit_code = serving.stop(signal.SIGINT)
    assert exit_code == 0
    assert running.checkout.processes() == set()


def model_servers(checkout: Checkout, package: str) -> list[int]:
    """The processes that serve a package."""
    wanted = f"FLYBALL_PACKAGE={package}".encode()
    return [
        pid
        for pid in checkout.processes()
        if b"container\0serve" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
        and wanted in (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
    ]


def answer_until(running: Running, request: bytes, *, status: int) -> tuple[int, dict[str, str], Any]:
    """Asks again until the answer has that status, for half a minute at most."""
    deadline = time.monotonic() + 30
    while (answer := running.predict("digits", request))[0] != status:
        assert time.monotonic() < deadline, f"still {answer}"
    return answer


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, without logs, state and bytecode, which grow while a cloud serves."""
    return {
        str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not {"__pycache__", "logs", "bytecode"} & set(path.relative_to(root).parts)
        and not path.is_relative_to(root / ".flyball" / "state")
    }
