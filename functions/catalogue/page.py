"""One model's documentation as a page of HTML that needs nothing else: no script, no font, no request. Pure.

Every value is escaped where it is put in. Light and dark follow the reader's system; tables scroll on a phone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from functions.catalogue.models import PublishedModel
from functions.catalogue.openapi import EDGE_ERRORS, MODEL_ERRORS
from functions.catalogue.settings import CatalogueSettings
from model_packages.fields import FieldSpec, Kind

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.2; }
code, pre { font: .9rem/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 100%; }
caption { text-align: left; padding: .25rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top; }
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
            f"<p><code>POST {escape(url)}</code></p>",
            f"<p>The body is one request, or <code>{{&quot;instances&quot;: [...]}}</code> with up to "
            f"{limits.maximum_rows} of them; {limits.maximum_body_bytes:,} bytes at most.</p>",
            _fields_section("Request", model.interface.request_fields),
            _fields_section("Response", model.interface.response_fields),
            _examples_section(model.examples),
            "<h2>Call it</h2>",
            _code(curl_line(model.examples[0]["request"], url=url, settings=settings)),
            _errors_section(),
            f"<p>Schema <code>{model.interface.schema_hash}</code></p></main></body></html>",
        ]
    )


def curl_line(request: Any, *, url: str, settings: CatalogueSettings) -> str:
    """A command that can be pasted into a shell."""
    credentials = _CREDENTIALS[settings.authorization].format(region=settings.region)
    body = shlex.quote(json.dumps(request))
    return f"curl {credentials} --header 'Content-Type: application/json' --data {body} {shlex.quote(url)}"


def _fields_section(title: str, fields: Sequence[FieldSpec]) -> str:
    rows = [_cells(spec) for spec in fields]
    return f"<h2>{escape(title)}</h2>" + _table(
        f"Fields of the {title.lower()}", ("Field", "Type", "Unit", "Allowed", "Required", "Meaning"), rows
    )


def _cells(spec: FieldSpec) -> tuple[str, ...]:
    return spec.name, _type(spec), spec.unit or "", _allowed(spec), _presence(spec), spec.description or ""


def _examples_section(examples: Sequence[dict[str, Any]]) -> str:
    parts = ["<h2>Examples</h2>"]
    for number, example in enumerate(examples, start=1):
        parts.append(f"<h3>{escape(str(example.get('name', f'Example {number}')))}</h3>")
        parts.append(_code(json.dumps(example["request"], indent=2)))
        parts.append(_code(json.dumps({"prediction": example["response"]}, indent=2)))
    return "\n".join(parts)


def _errors_section() -> str:
    rows = [(str(status), meaning) for status, meaning in sorted({**EDGE_ERRORS, **MODEL_ERRORS}.items())]
    return (
        "<h2>Errors</h2><p>Every error is a problem document (RFC 9457, <code>application/problem+json</code>).</p>"
        + _table("Statuses", ("Status", "Meaning"), rows)
    )


def _table(caption: str, head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    headings = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "\n".join(_row(row) for row in rows)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{headings}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[str]) -> str:
    first, *rest = (escape(cell) for cell in cells)
    return f'<tr><th scope="row"><code>{first}</code></th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _type(spec: FieldSpec) -> str:
    shape = " × ".join(map(str, spec.shape))
    names = {
        Kind.NUMERIC: "number",
        Kind.INTEGER: "integer",
        Kind.BOOLEAN: "true or false",
        Kind.CATEGORY: "category",
        Kind.TEXT: "text",
        Kind.TENSOR: f"nested arrays, {shape} of {spec.dtype}",
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
