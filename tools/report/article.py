"""The article of the report: the text of `article.yaml` with its numbers, and its figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from tools.report.published import published
from tools.report.table import Row, spaced
from tools.report.tables import NotMadeError, Tables
from tools.report.verdict import LEFT_OUT

FILE = Path(__file__).with_name("article.yaml")


@dataclass(frozen=True)
class Section:
    """A heading or none, paragraphs, and a figure.

    Args:
        title: empty where the section before goes on.
        text: paragraphs.
        figure: its name, or empty where it has not been made.
        caption: of the figure, or how to make it.
    """

    title: str
    text: list[str]
    figure: str
    caption: str


class _Names(Formatter):
    """Reads {id.name} and {id.published.0} from a dictionary of claims."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        value: Any = kwargs
        for part in field_name.split("."):
            value = value[part]
        return value, field_name


def parts(path: Path = FILE) -> list[dict[str, Any]]:
    """What `article.yaml` declares."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def numbers(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """What a text may name: by claim, the values, facts, ends and published numbers."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        values = row.reading.values
        theirs = published(row.claim.published, row.claim.argument)
        ends = {"low": min(values), "high": max(values)} if values else {}
        found[row.claim.id] = {
            **{str(index): value for index, value in enumerate(values)},
            **row.reading.facts,
            **ends,
            "published": {str(index): value for index, value in enumerate(theirs)},
        }
    return found


def sections(rows: list[Row], tables: Tables, path: Path = FILE) -> list[Section]:
    """The article, as far as its figures have been made.

    Raises:
        ValueError: a text names a number that no claim has.
    """
    known = numbers(rows)
    left_out = {row.claim.id: row.why for row in rows if row.verdict == LEFT_OUT}
    made = []
    for part in parts(path):
        text = [_filled(paragraph, known, left_out) for paragraph in part["text"]]
        name = part["figure"]
        try:
            for kind in ("pdf", "png"):
                tables.file(name, kind)
            caption = tables.caption(name)
        except NotMadeError as missing:
            name, caption = "", str(missing)
        made.append(Section(part.get("title", ""), text, name, caption))
    return made


def _filled(paragraph: str, known: dict[str, Any], left_out: dict[str, str]) -> str:
    named = {name.partition(".")[0] for _, name, *_ in Formatter().parse(paragraph) if name}
    gone = sorted(named & left_out.keys())
    if gone:
        return f"Left out: {'; '.join(dict.fromkeys(left_out[name] for name in gone))}."
    try:
        return spaced(_Names().format(paragraph, **known))
    except KeyError as error:
        raise ValueError(f"the article names {error}, which no claim has: {paragraph}") from None
