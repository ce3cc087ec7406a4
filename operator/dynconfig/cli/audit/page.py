"""A report as one HTML page without external requests. All content is text that tenants write, so each cell is escaped."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from dynconfig import __version__
from dynconfig.cli.audit.evidence import Evidence
from dynconfig.cli.audit.tables import Cell, Column, Style, Table
from dynconfig.cli.object_status import ObjectStage
from dynconfig.model.printable import printable

_COLOURS = {
    ObjectStage.READY.value: "good",
    ObjectStage.BAKING.value: "info",
    ObjectStage.WORKING.value: "warn",
    ObjectStage.STALLED.value: "bad",
    "DriftFound": "warn",
    "DriftCorrected": "good",
}
_OTHER = "bad"
_DRIFTED = "warn"


def lines(found: Evidence, listed: Sequence[Table]) -> Iterator[str]:
    """Yield the lines of the page."""
    style, script = (files(__package__).joinpath(name).read_text("ascii") for name in ("page.css", "page.js"))
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    # First of all, since it applies to what follows: https://www.w3.org/TR/CSP3/#meta-element
    yield f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>DynamicConfig report: {_text(found.scope)}</title>"
    yield f"<style>{style}</style>\n</head>\n<body>"
    about = _text(f"{found.scope} · {found.time} · dynconfig {__version__}")
    yield f"<header><h1>DynamicConfig report</h1><p>{about}</p></header>"
    yield from _counts(found, listed)
    yield from _not_read(found)
    yield '<div class="tools"><label for="search">Search</label><input type="search" id="search" disabled>'
    yield f"<nav>{' '.join(_link(table) for table in listed)}</nav>"
    yield '<output id="found" for="search"></output></div>\n<main>'
    for table in listed:
        yield from _section(table)
    yield f"</main>\n<script>{script}</script>\n</body>\n</html>"


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode('ascii')).digest()).decode()}"


def _text(value: str) -> str:
    """Escape for HTML; control characters and those that change the direction of text are shown as escape sequences."""
    return escape(printable(value))


def _counts(found: Evidence, listed: Sequence[Table]) -> Iterator[str]:
    stages = Counter(each.stage for each in found.objects)
    yield '<dl class="counts">'
    yield _count("Objects", len(found.objects))
    for stage in (ObjectStage.READY, ObjectStage.BAKING, ObjectStage.WORKING, ObjectStage.STALLED):
        yield _count(stage.value, stages[stage], _COLOURS[stage.value])
    yield _count("Drifted", sum(each.is_drifted for each in found.objects), _DRIFTED)
    yield _count("Resources", sum(len(each.managed) for each in found.objects))
    rows = {table.key: len(table.rows) for table in listed}
    for key, title in (("plaintextSecrets", "Plaintext secrets"), ("unmanaged", "Unmanaged")):
        if key in rows:
            yield _count(title, rows[key], _DRIFTED)
    yield "</dl>"


def _count(title: str, number: int, colour: str = "") -> str:
    return f'<div class="{colour if number else ""}"><dt>{title}</dt><dd>{number:,}</dd></div>'


def _not_read(found: Evidence) -> Iterator[str]:
    if not found.not_read:
        return
    yield '<div class="alert" role="alert"><strong>This report is incomplete.</strong> Could not be read:<ul>'
    yield from (f"<li>{_text(f'{title}: {why}')}</li>" for title, why in found.not_read.items())
    yield "</ul></div>"


def _link(table: Table) -> str:
    return f'<a href="#{table.key}">{table.title}</a>'


def _section(table: Table) -> Iterator[str]:
    yield f'<section id="{table.key}" aria-labelledby="{table.key}-title"><h2 id="{table.key}-title">{table.title} '
    yield f'<span class="count">{len(table.rows):,}</span></h2><p class="about">{_text(table.about)}</p>'
    if table.rows:
        yield f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{table.key}-title"><table><thead><tr>'
        yield from (
            f'<th scope="col" class="{_class(each)}"><button>{each.heading}</button></th>' for each in table.columns
        )
        yield "</tr></thead><tbody>"
        opening = [f'<td class="{_class(each)}">' for each in table.columns]
        for row in table.rows:
            cells = zip(opening, table.columns, row, strict=True)
            yield f"<tr>{''.join(f'{tag}{_cell(column, value)}</td>' for tag, column, value in cells)}</tr>"
        yield "</tbody></table></div>"
    yield "</section>"


def _class(column: Column) -> str:
    return column.style.name.lower()


def _cell(column: Column, value: Cell) -> str:
    if value is None or value is False or value == "":
        return ""
    if column.style is Style.BADGE:
        text, colour = (column.heading, _DRIFTED) if value is True else (str(value), _COLOURS.get(str(value), _OTHER))
        return f'<b class="{colour}">{_text(text)}</b>'
    if isinstance(value, tuple):
        return "".join(f"<div>{_text(each)}</div>" for each in value)
    return _text(str(value))
