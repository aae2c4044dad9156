"""One model's documentation as a page of HTML that needs nothing else: no script, no font, no request. Pure.

Every value is escaped where it is put in. Light and dark follow the reader's system; on a phone, a table's rows
become cards, each value with its heading.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from functions.catalogue.models import PublishedModel
from functions.catalogue.openapi import EDGE_ERRORS, FEEDBACK_ERRORS, MAXIMUM_LABELS, MODEL_ERRORS
from functions.catalogue.settings import CatalogueSettings
from model_packages.fields import FieldSpec, Kind

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --accent: light-dark(#0b5fa5, #7cc0ff); }
* { box-sizing: border-box; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 2.2rem; margin: 0; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin: 2.5rem 0 .75rem; padding-bottom: .35rem; border-bottom: 2px solid var(--line); font-size: 1.35rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
code, pre { font: .9rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: var(--soft); border-radius: .5rem; margin: 0; padding: .85rem 1rem; overflow-x: auto; }
.line { white-space: pre-wrap; overflow-wrap: anywhere; }
.line b { color: var(--accent); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
figure { margin: 0; min-width: 0; }
caption, figcaption, footer { font-size: .85rem; opacity: .75; text-align: left; padding: 0 0 .35rem; }
footer { margin-top: 3rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .5rem 1rem .5rem 0; text-align: left; vertical-align: top; }
tbody th { font-weight: inherit; }
tbody th code { color: var(--accent); font-weight: 600; }
@media (max-width: 46rem) {
  thead { position: absolute; clip-path: inset(50%); }
  table, caption, tbody, tr, th, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  tbody th, td { border: 0; padding: .1rem 0; overflow-wrap: anywhere; }
  td { display: grid; grid-template-columns: 6rem 1fr; gap: .5rem; }
  td::before { content: attr(data-head); opacity: .75; }
  td:empty { display: none; }
}
"""
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CREDENTIALS = {
    "iam": '--aws-sigv4 "aws:amz:{region}:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
    '--header "x-amz-security-token: $AWS_SESSION_TOKEN"',
    "api_key": '--header "x-api-key: $API_KEY"',
    "cognito": '--header "Authorization: Bearer $ID_TOKEN"',
}

EXAMPLE_ID = "019e0000-0000-7000-8000-000000000000"

_ROW_OF_NUMBERS = re.compile(r"\[(\n[-+.\deE,\s]+)\]")
_LIMITS: Mapping[str, str] = {
    "minimum": "{} or more",
    "exclusive_minimum": "more than {}",
    "maximum": "{} or less",
    "exclusive_maximum": "less than {}",
    "multiple_of": "a multiple of {}",
    "minimum_length": "{} characters or more",
    "maximum_length": "{} characters or fewer",
    "pattern": "a match of {}",
}


def documentation_page(model: PublishedModel, *, url: str, settings: CatalogueSettings) -> str:
    """The page of `model`; `url` is where its predictions are asked for."""
    limits = model.config.endpoint
    title = f"{model.name}: {model.config.description}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{escape(model.name)}</h1><p>{escape(model.config.description)}</p>",
            f'<pre class="line"><code><b>POST</b> {escape(url)}</code></pre>',
            f"<p>The body is one request, or <code>{{&quot;instances&quot;: [...]}}</code> with up to "
            f"{limits.maximum_rows} of them; {limits.maximum_body_bytes:,} bytes at most.</p>",
            "<h2>Call it</h2>",
            _line(curl_line(model.examples[0]["request"], url=url, settings=settings)),
            _fields_section("Request", model.interface.request_fields),
            _fields_section("Response", model.interface.response_fields),
            _examples_section(model.examples),
            _feedback_section(model, url=url, settings=settings),
            _errors_section(),
            f"<footer>Schema <code>{model.interface.schema_hash}</code></footer></main></body></html>",
        ]
    )


def curl_line(request: Any, *, url: str, settings: CatalogueSettings) -> str:
    """A command that can be pasted into a shell."""
    credentials = _CREDENTIALS[settings.authorization].format(region=settings.region)
    body = shlex.quote(json.dumps(request))
    return f"curl {credentials} --header 'Content-Type: application/json' --data {body} {shlex.quote(url)}"


def _fields_section(title: str, fields: Sequence[FieldSpec]) -> str:
    return f"<h2>{escape(title)}</h2>" + _fields_table(title, fields)


def _fields_table(title: str, fields: Sequence[FieldSpec]) -> str:
    columns = {name: [cell(spec) for spec in fields] for name, cell in _COLUMNS.items()}
    used = {name: cells for name, cells in columns.items() if any(cells)}
    rows = list(zip(*used.values(), strict=True))
    return _table(f"Fields of the {title.lower()}", list(used), rows)


def _examples_section(examples: Sequence[dict[str, Any]]) -> str:
    parts = ["<h2>Examples</h2>"]
    for number, example in enumerate(examples, start=1):
        parts.append(f"<h3>{escape(str(example.get('name', f'Example {number}')))}</h3>")
        shown = {"Request": example["request"], "Answer": {"prediction": example["response"]}}
        figures = (f"<figure><figcaption>{name}</figcaption>{_json(value)}</figure>" for name, value in shown.items())
        parts.append(f'<div class="pair">{"".join(figures)}</div>')
    return "\n".join(parts)


def _feedback_section(model: PublishedModel, *, url: str, settings: CatalogueSettings) -> str:
    fields = model.interface.label_fields
    label = {"inference_id": EXAMPLE_ID, "label": {spec.name: _example_value(spec) for spec in fields}}
    return (
        "<h2>Tell it the truth</h2><p>What turned out to be true of a prediction is sent with the "
        "<code>inference_id</code> of its answer, and with <code>row</code> (from 0) where the request had several "
        f"<code>instances</code>. <code>{{&quot;labels&quot;: [...]}}</code> holds up to {MAXIMUM_LABELS} at once.</p>"
        + _line(curl_line(label, url=url.removesuffix("predict") + "feedback", settings=settings))
        + "\n"
        + _fields_table("Label", fields)
    )


def _example_value(spec: FieldSpec) -> Any:
    """Any value of the field's kind: it shows the form, and nobody sends it."""
    if spec.kind is Kind.CATEGORY:
        return spec.categories[0]
    values = {Kind.BOOLEAN: True, Kind.TEXT: "...", Kind.TENSOR: ["..."], Kind.IMAGE: ["..."]}
    return values.get(spec.kind, spec.minimum or 0)


def _errors_section() -> str:
    kinds = (EDGE_ERRORS, MODEL_ERRORS, FEEDBACK_ERRORS)
    statuses = sorted({status for errors in kinds for status in errors})
    rows = [(str(status), _meanings(status, *kinds)) for status in statuses]
    return (
        "<h2>Errors</h2><p>Every error is a problem document (RFC 9457, <code>application/problem+json</code>).</p>"
        + _table("Statuses", ("Status", "Meaning"), rows)
    )


def _meanings(status: int, *kinds: Mapping[int, str]) -> str:
    """What a status means on either path, each sentence once."""
    return " ".join(dict.fromkeys(errors[status] for errors in kinds if status in errors))


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    headings = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "\n".join(_row(head, row) for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{headings}</tr></thead>\n<tbody>{body}</tbody></table>"
    )


def _row(head: Sequence[str], cells: Sequence[str]) -> str:
    pairs = [(escape(name), escape(cell)) for name, cell in zip(head, cells, strict=True)]
    rest = "".join(f'<td data-head="{name}">{_wrapped(cell)}</td>' for name, cell in pairs[1:])
    return f'<tr><th scope="row"><code>{pairs[0][1]}</code></th>{rest}</tr>'


def _wrapped(cell: str) -> str:
    """One element, because a card sets it beside its heading; nothing for nothing, so that a card can leave it out."""
    return f"<span>{cell}</span>" if cell else ""


def _json(value: Any) -> str:
    """Indented, with each innermost row of numbers on one line. A line break is never inside a text in JSON."""
    indented = json.dumps(value, indent=2, ensure_ascii=False)
    text = _ROW_OF_NUMBERS.sub(lambda row: f"[{' '.join(row[1].split())}]", indented)
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _line(text: str) -> str:
    """One line of a shell, shown whole however long it is."""
    return f'<pre class="line"><code>{escape(text)}</code></pre>'


def _type(spec: FieldSpec) -> str:
    shape = " × ".join(map(str, spec.shape))
    names = {
        Kind.NUMERIC: "number",
        Kind.INTEGER: "integer",
        Kind.BOOLEAN: "true or false",
        Kind.CATEGORY: "category",
        Kind.TEXT: "text",
        Kind.TENSOR: f"{'array' if len(spec.shape) == 1 else 'nested arrays'}, {shape} of {spec.dtype}",
        Kind.IMAGE: f"image {shape}: nested arrays, or a PNG in base64",
    }
    return names[spec.kind]


def _allowed(spec: FieldSpec) -> str:
    return ", ".join(spec.categories or _limits(spec)) or "any"


def _limits(spec: FieldSpec) -> Iterator[str]:
    stated = {name: limit for name in _LIMITS if (limit := getattr(spec, name)) is not None}
    if {"minimum", "maximum"} <= stated.keys():
        yield f"{_shown(stated.pop('minimum'))} to {_shown(stated.pop('maximum'))}"
    yield from (_LIMITS[name].format(_shown(limit)) for name, limit in stated.items())


def _shown(limit: float | str) -> str:
    return f"{limit:.15g}" if isinstance(limit, float) else str(limit)


def _presence(spec: FieldSpec) -> str:
    default = "" if spec.default is None else f" ({json.dumps(spec.default, ensure_ascii=False)} if left out)"
    return ("yes" if spec.required else f"no{default}") + (", may be null" if spec.nullable else "")


_COLUMNS: Mapping[str, Callable[[FieldSpec], str]] = {
    "Field": lambda spec: spec.name,
    "Type": _type,
    "Unit": lambda spec: spec.unit or "",
    "Allowed": _allowed,
    "Required": _presence,
    "Meaning": lambda spec: spec.description or "",
}
"""A column is left out where no field has anything in it."""
