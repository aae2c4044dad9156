"""The catalogue lists the models, documents each, and answers for those that are not deployed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from functions.catalogue.catalogue import Catalogue
from functions.catalogue.models import find_models
from functions.catalogue.openapi import MAXIMUM_LABELS
from functions.catalogue.page import documentation_page
from functions.catalogue.settings import AuthorizationName, CatalogueSettings
from functions.gateway import feedback
from tests.functions.conftest import PACKAGES
from tests.functions.doubles import INFERENCE_ID, REQUEST, RESPONSE, catalogue_event

PAGE_EVENT = catalogue_event("/models/flowers")
VOID_ELEMENTS = {"meta"}


@dataclass
class RememberedLog:
    """Keeps what was logged."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def error(self, msg: object, *, extra: Mapping[str, object]) -> None:
        self.lines.append({"message": msg, **extra})

    exception = error


def make_catalogue(
    *,
    root: Path = PACKAGES,
    authorization: AuthorizationName = "iam",
    log: RememberedLog | None = None,
) -> Catalogue:
    return Catalogue(
        models=find_models(root),
        settings=CatalogueSettings(authorization=authorization),
        make_id=lambda: INFERENCE_ID,
        log=log or RememberedLog(),
    )


@pytest.fixture
def broken_beside_flowers(tmp_path: Path) -> Path:
    """A root with `flowers` and a package whose schema cannot be imported."""
    shutil.copytree(PACKAGES / "flowers", tmp_path / "flowers")
    shutil.copytree(PACKAGES / "flowers", tmp_path / "broken")
    (tmp_path / "broken" / "schema.py").write_text("import no_such_library\n")
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/models", "/models/"])
def test_the_models_are_listed_with_their_links(path: str) -> None:
    answer = make_catalogue().handle(catalogue_event(path))

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {
        "models": [
            {
                "name": "flowers",
                "description": "Names a flower <from> its petals & colour.",
                "task": "binary_classification",
                "links": {"predict": "/api/models/flowers/predict", "documentation": "/api/models/flowers"},
            }
        ],
        "links": {"self": "/api/models", "openapi": "/api/openapi.json"},
    }


def test_links_follow_a_custom_domain() -> None:
    event = catalogue_event("/models")
    event["requestContext"]["path"] = "/v1/models"

    document = json.loads(make_catalogue().handle(event)["body"])

    assert document["links"]["openapi"] == "/v1/openapi.json"


@pytest.mark.parametrize("authorization", get_args(AuthorizationName))
def test_the_openapi_document_is_valid(authorization: AuthorizationName) -> None:
    answer = make_catalogue(authorization=authorization).handle(catalogue_event("/openapi.json"))

    document = json.loads(answer["body"])
    validate(document)
    assert document["servers"] == [{"url": "/api"}]
    assert document["security"] == [{authorization: []}]
    assert list(document["components"]["securitySchemes"]) == [authorization]
    assert set(document["paths"]) >= {"/models", "/models/flowers/predict"}


def test_the_openapi_document_holds_the_schemas_that_requests_are_checked_with() -> None:
    document = json.loads(make_catalogue().handle(catalogue_event("/openapi.json"))["body"])
    predict = document["paths"]["/models/flowers/predict"]["post"]
    request = {**predict["requestBody"]["content"]["application/json"]["schema"], "components": document["components"]}
    answer = {
        **predict["responses"]["200"]["content"]["application/json"]["schema"],
        "components": document["components"],
    }
    model = {"name": "flowers", "version": "7", "variant": "main"}

    accepts = Draft202012Validator(request).is_valid
    describes = Draft202012Validator(answer).is_valid

    assert accepts(REQUEST)
    assert accepts({"instances": [REQUEST, REQUEST]})
    assert not accepts({"instances": [REQUEST] * 5})
    assert not accepts({**REQUEST, "petals": 201})
    assert not accepts({**REQUEST, "spectrum": [0.5]})
    assert not accepts({**REQUEST, "height": 500.0})
    assert not accepts({**REQUEST, "collection": "abc"})
    assert describes({"prediction": RESPONSE, "model": model, "inference_id": INFERENCE_ID})
    assert not describes({"prediction": {}, "model": model, "inference_id": INFERENCE_ID})


def test_the_openapi_document_holds_the_schema_that_labels_are_checked_with() -> None:
    document = json.loads(make_catalogue().handle(catalogue_event("/openapi.json"))["body"])
    labels = document["paths"]["/models/flowers/feedback"]["post"]
    body = {**labels["requestBody"]["content"]["application/json"]["schema"], "components": document["components"]}
    one = {"inference_id": INFERENCE_ID, "label": {"species": "daisy"}}

    accepts = Draft202012Validator(body).is_valid

    assert accepts(one)
    assert accepts({**one, "row": 3})
    assert accepts({"labels": [one] * MAXIMUM_LABELS})
    assert not accepts({**one, "row": 4})
    assert not accepts({**one, "label": {"species": "rose"}})
    assert not accepts({"labels": [one] * (MAXIMUM_LABELS + 1)})
    assert {"202", "404", "410", "413", "415", "422", "503"} <= set(labels["responses"])


def test_the_documented_number_of_labels_is_the_gateway_s() -> None:
    assert MAXIMUM_LABELS == feedback.MAXIMUM_LABELS


def test_units_statuses_and_examples_are_documented() -> None:
    document = json.loads(make_catalogue().handle(catalogue_event("/openapi.json"))["body"])

    predict = document["paths"]["/models/flowers/predict"]["post"]
    assert document["components"]["schemas"]["flowers.Request"]["properties"]["petal_length"]["x-unit"] == "cm"
    statuses = {"200", "400", "401", "403", "404", "405", "413", "415", "422", "429", "500", "502", "503", "504"}
    assert set(predict["responses"]) == statuses
    examples = predict["requestBody"]["content"]["application/json"]["examples"]
    assert examples["example_1"]["summary"] == "a daisy"


class PageReader(HTMLParser):
    """Checks that elements are closed in order, and keeps what the page holds."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(authorization: AuthorizationName = "iam") -> tuple[str, PageReader]:
    answer = make_catalogue(authorization=authorization).handle(PAGE_EVENT)
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    reader = PageReader()
    reader.feed(answer["body"])
    assert reader.open == []
    return answer["body"], reader


def test_a_model_s_page_shows_every_field_with_unit_range_and_categories() -> None:
    _, page = read_page()

    for shown in ("petal_length", "cm", "0 to 30", "white, yellow, blue", "20 characters or fewer", "no, may be null"):
        assert shown in page.text
    for limit in ("more than 0, less than 500, a multiple of 0.5", "2 characters or more, a match of ^[A-Z]+$"):
        assert limit in page.text
    for default in ("no (20.0 if left out)", 'no ("NONE" if left out)', "after drying"):
        assert default in page.text
    for kind in ("true or false", "array, 4 of float32", "image 2 × 2: nested arrays, or a PNG in base64"):
        assert kind in page.text


def test_a_model_s_page_asks_nobody_for_anything() -> None:
    _, page = read_page()

    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    assert not any(
        name in {"src", "href", "style"} or name.startswith("on") for _, found in page.tags for name in found
    )


def test_a_model_s_page_is_readable_for_everybody() -> None:
    body, page = read_page()

    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags
    assert "color-scheme: light dark" in body
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert all(found.get("scope") in {"col", "row"} for tag, found in page.tags if tag == "th")
    assert [tag for tag, _ in page.tags].count("caption") == [tag for tag, _ in page.tags].count("table")


def test_a_card_on_a_phone_has_the_heading_of_each_value() -> None:
    _, page = read_page()

    headings = {found["data-head"] for tag, found in page.tags if tag == "td"}
    assert headings == {"Type", "Unit", "Allowed", "Required", "Meaning"}


def test_a_column_that_no_field_fills_is_left_out() -> None:
    _, page = read_page()

    _, _, response = page.text.partition("Fields of the response")
    assert "Unit" in page.text
    assert "Unit" not in response


def test_a_row_of_numbers_is_one_line_of_an_example() -> None:
    model = find_models(PACKAGES)["flowers"]
    text = "[\n1,\n2]"  # stays as it is: a line break within a text is no line break in JSON
    model.examples[:] = [{"request": {"grid": [[1, -2.5], [1e-9, 4]], "text": text}, "response": {}}]

    page = documentation_page(model, url="https://api", settings=CatalogueSettings(authorization="iam"))

    assert unescape(page).count("    [1, -2.5],\n    [1e-09, 4]\n") == 1
    assert json.dumps(text) in unescape(page)


def test_the_address_has_the_port_that_was_asked() -> None:
    event = {**PAGE_EVENT, "headers": {"X-Forwarded-Port": "8443"}}

    body = make_catalogue().handle(event)["body"]

    assert "https://abc123.execute-api.us-east-1.amazonaws.com:8443/api/models/flowers/predict" in body


def test_values_of_a_package_are_escaped() -> None:
    body, page = read_page()

    assert "Names a flower &lt;from&gt; its petals &amp; colour." in body
    assert "</script>" not in body
    assert "</script>" in page.text


@pytest.mark.parametrize(
    ("authorization", "credentials"),
    [("iam", "--aws-sigv4"), ("api_key", "x-api-key: $API_KEY"), ("cognito", "Authorization: Bearer $ID_TOKEN")],
)
def test_the_curl_line_can_be_pasted_into_a_shell(authorization: AuthorizationName, credentials: str) -> None:
    _, page = read_page(authorization)

    line, label = [line for line in page.text.splitlines() if "curl " in line]
    words = shlex.split(line.partition("curl ")[2])
    assert credentials in line
    assert json.loads(words[words.index("--data") + 1])["petals"] == 34
    assert words[-1] == "https://abc123.execute-api.us-east-1.amazonaws.com/api/models/flowers/predict"
    assert shlex.split(label)[-1] == "https://abc123.execute-api.us-east-1.amazonaws.com/api/models/flowers/feedback"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (catalogue_event("/models/tulips", resource="/models/{name}"), "unknown-model"),
        (catalogue_event("/models/tulips/predict", method="POST", resource="/models/{name}/{proxy+}"), "unknown-model"),
        (catalogue_event("/models/flowers/predict", resource="/models/{name}/{proxy+}"), "unknown-path"),
        (catalogue_event("/elsewhere"), "unknown-path"),
    ],
)
def test_what_is_not_there_is_a_problem_document(event: dict[str, Any], code: str) -> None:
    answer = make_catalogue().handle(event)

    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["type"]) == (404, f"urn:flyball:problem:{code}")
    assert code != "unknown-model" or document["models"] == ["flowers"]


def test_a_broken_schema_is_reported_for_its_model_alone(broken_beside_flowers: Path) -> None:
    log = RememberedLog()
    catalogue = make_catalogue(root=broken_beside_flowers, log=log)
    # `broken` is found in the folder above and not in model_packages: importing its schema fails either way

    listed = json.loads(catalogue.handle(catalogue_event("/models"))["body"])
    document = json.loads(catalogue.handle(catalogue_event("/openapi.json"))["body"])
    page = catalogue.handle(PAGE_EVENT)
    broken = catalogue.handle(catalogue_event("/models/broken"))

    assert [model["name"] for model in listed["models"]] == ["broken", "flowers"]
    assert document["x-flyball-unavailable"] == ["broken"]
    assert "/models/flowers/predict" in document["paths"]
    assert page["statusCode"] == 200
    assert (broken["statusCode"], json.loads(broken["body"])["title"]) == (500, "Internal error")
    assert [line.get("model") for line in log.lines] == ["broken", None]


def test_listing_models_imports_no_schema() -> None:
    make_catalogue().handle(catalogue_event("/models"))

    assert "model_packages.flowers.schema" not in sys.modules


def test_what_has_not_changed_is_not_sent_again() -> None:
    first = make_catalogue().handle(catalogue_event("/openapi.json"))
    again = make_catalogue().handle(
        catalogue_event("/openapi.json", headers={"If-None-Match": first["headers"]["ETag"]})
    )

    assert first["headers"]["Cache-Control"] == "private, max-age=60"
    assert (again["statusCode"], again["body"]) == (304, "")
    assert again["headers"]["ETag"] == first["headers"]["ETag"]


def test_the_curl_line_runs_in_a_real_shell() -> None:
    _, page = read_page("api_key")
    line, _ = [line for line in page.text.splitlines() if "curl " in line]
    echoed = line[line.index("curl ") :].replace("curl", "printf '%s\\n'", 1)

    finished = subprocess.run(
        ["/bin/sh", "-c", echoed], capture_output=True, text=True, check=True, env={"API_KEY": "k"}
    )

    assert "x-api-key: k" in finished.stdout
    assert finished.stdout.splitlines()[-1].startswith("https://")
