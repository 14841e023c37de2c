"""The report as one HTML page with its figures inside, which needs no other file."""

import base64
import re
from html import escape
from pathlib import Path
from typing import Any

from tools.report.tables import Tables

STYLE = Path(__file__).with_name("page.css")


def page(content: dict[str, Any], tables: Tables) -> str:
    """The report as HTML.

    Args:
        content: of `tools.report.document.document`.
        tables: of the figures.
    """
    title = escape(content["title"])
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>",
            f"</head>\n<body>\n<h1>{title}</h1>",
            f"<p>{escape(content['summary'])} {escape(content['units'])}</p>",
            _table(content["headings"], map(_claim, content["rows"])),
            "<main>\n<h1>What was found</h1>",
            *(_section(section, tables) for section in content["sections"]),
            "</main>\n<h1>Artifact appendix</h1>",
            *(f"<p>{_marked(text)}</p>" for text in content["appendix"]["text"]),
            _table(content["appendix"]["headings"], map(_expected, content["appendix"]["rows"])),
            "</body>\n</html>\n",
        ]
    )


def _table(headings: list[str], rows: Any) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in headings)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _claim(row: dict[str, str]) -> list[str]:
    verdict = row["verdict"]
    shown = f'<strong class="{verdict.replace(" ", "-")}">{escape(verdict)}</strong>'
    link = f'<a href="{escape(row["address"])}">{escape(row["notebook"])}</a>'
    link = link if row["notebook"] else "–"
    command = f"<br>{_marked('`' + row['command'] + '`')}" if row["command"] else ""
    plain = [escape(row[name]) for name in ("claim", "source", "published", "ours")]
    return [*plain, shown, _marked(row["why"]), link + command, row["minutes"], row["tolerance"]]


def _expected(row: dict[str, str]) -> list[str]:
    command = _marked(f"`{row['command']}`") if row["command"] else ""
    rest = [escape(row[name]) for name in ("expected", "tolerance", "hardware")]
    return [escape(row["claim"]), command, *rest]


def _section(section: dict[str, Any], tables: Tables) -> str:
    title = f"<h2>{escape(section['title'])}</h2>\n" if section["title"] else ""
    text = "\n".join(f"<p>{_marked(paragraph)}</p>" for paragraph in section["text"])
    caption = _marked(section["caption"])
    if not section["figure"]:
        return f'{title}{text}\n<p class="left-out">{caption}</p>'
    data = base64.b64encode(tables.file(section["figure"], "png").read_bytes()).decode()
    alt = escape(section["caption"])
    image = f'<img src="data:image/png;base64,{data}" alt="{alt}">'
    return f"{title}{text}\n<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _marked(text: str) -> str:
    """Escaped text, with what is between backquotes as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
