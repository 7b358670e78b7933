"""Pieces of a page of the report: tables, numbers, the style."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d5dbe1}
table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #e4e8ec}
th:first-child,td:first-child{text-align:left}th{font-weight:600}
.stamp{display:inline-block;padding:.1rem .6rem;border:2px solid #a33;color:#a33;font-weight:700}
.yes{color:#17632f;font-weight:600}.no{color:#a33;font-weight:600}.plots{display:flex;flex-wrap:wrap;gap:1rem}
svg{width:22rem;max-width:100%}svg .t{font:600 13px sans-serif}svg .l{font:11px sans-serif;fill:#556}
svg .s{font:10px sans-serif;fill:#556}svg .g{stroke:#e4e8ec}svg .b{fill:#4478aa}
svg .e{stroke:#111;stroke-width:2}
svg .d{stroke:#999;stroke-dasharray:4}svg .p{fill:#4478aa}svg .c{fill:none;stroke:#4478aa;stroke-width:2}
pre{white-space:pre-wrap;font:inherit;margin:.4rem 0}
@media (prefers-color-scheme:dark){body{background:#12161b;color:#dde3ea}th,td{border-color:#2b333c}
svg text{fill:#dde3ea}svg .g{stroke:#2b333c}svg .e{stroke:#eee}}
"""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of plain text."""
    head = "".join(f"<th>{escape(h)}</th>" for h in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page, which needs no network."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def stamp(result: Mapping[str, Any]) -> str:
    """Return the mark of what is simulated."""
    return '<span class="stamp">simulated</span>' if result.get("simulated") else ""


def words(name: str) -> str:
    """Return a name as words."""
    return name.replace("_", " ")


def number(value: float | None) -> str:
    """Return a number in four digits."""
    return "–" if value is None else f"{value:.4g}"


def span(bounds: Sequence[float | None] | None) -> str:
    """Return an interval."""
    return "–" if bounds is None else f"{number(bounds[0])} – {number(bounds[1])}"
