"""A small, strict subset of YAML: mappings, lists, texts, numbers, true, false and null.

Data files need nothing else, and the rest of YAML is a risk: aliases can multiply without bound,
tags and dates make the usual constructors fail with exceptions of their own, and nesting overflows
the stack. One loop therefore turns the parser's events into values, with limits on size, depth and
number; the target of an alias is counted at each use. Numbers are decimal. Other spellings that
YAML 1.1 reads as numbers, dates or truth values ("0x1f", "1:30", "2020-01-01", "yes") are text.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import SplitDeconvError, one_line, shorten, shown

#: Limits on characters, levels of nesting and values, more than ten times those of the package's
#: own files. The parser needs a few microseconds per character.
LONGEST, DEEPEST, MOST_VALUES = 1 << 17, 20, 5_000
#: The key that has the tag of a mapping, where tags are allowed.
TAG = "!"
#: Characters of a number, far more than any type holds.
_MOST_DIGITS = 40
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(
    r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Text that is written without quotes, and words that other readers of YAML take for truth values.
_PLAIN = re.compile("[A-Za-z][A-Za-z0-9_]*")
_QUOTED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
# What to do about YAML that is not plain.
_FIX = "write plain YAML: mappings, lists, texts, decimal numbers, true, false, null"
# Control characters could command a terminal; lone surrogates cannot be printed at all.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def load(text: str, where: str, tags: Collection[str] = ()) -> Any:
    """The value that a YAML text describes.

    Args:
        text: one YAML document.
        where: the file or argument as an error names it.
        tags: those that mappings may have, such as "!Memory"; a mapping has its own as the value of
            the key `TAG`. They only name what a mapping is: nothing is made of them.

    Returns:
        dict, list, str, int, float, bool or None; None for an empty text.

    Raises:
        SplitDeconvError: not YAML, outside the subset, a duplicate key, or more than the limits.

    Example:
        >>> load("{rows: 8, clock: 1e3, dataflows: [a, b], native: null}", "an example")
        {'rows': 8, 'clock': 1000.0, 'dataflows': ['a', 'b'], 'native': None}
    """
    if len(text) > LONGEST:
        raise _refusal("too long", where, f"at most {LONGEST:,} characters", f"{len(text):,}")
    reader = _Reader(where, tags)
    try:
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            reader.take(event)
    except SplitDeconvError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The parser passes some invalid escapes and directives on to Python's own conversions.
        raise _refusal("syntax error", where, "YAML", _described(error)) from None
    return reader.value


def written(value: Any) -> str:
    """A value on one line, which `load` reads as the same value.

    Args:
        value: text, int, float, bool, None, or a list, tuple or dict of them.

    Example:
        >>> written(("none", "a b", None, 2.0))
        '[none, "a b", null, 2]'
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(key)}: {written(each)}' for key, each in value.items())}}}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _QUOTED:
        return value
    # The escapes of JSON are among those of YAML.
    return json.dumps(value, ensure_ascii=False)


def _described(error: Exception) -> str:
    """What the parser says, with the place but without the excerpt that it quotes."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return one_line(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


@dataclass
class _Open:
    """A list or mapping that is still open: its anchor, its content, the key without a value."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    values_before: int
    characters_before: int
    key: str | None = None


class _Reader:
    """Builds the value from the parser's events."""

    def __init__(self, where: str, tags: Collection[str] = ()) -> None:
        self.where, self.tags = where, tags
        self.value: Any = None
        self.open: list[_Open] = []
        # By name: the value, and how many values and characters it consists of.
        self.anchors: dict[str | None, tuple[Any, int, int]] = {}
        self.values = self.characters = self.documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self.refused("more than one document", event, "one document", "a second one")
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.open.pop()
            counts = self.values - closed.values_before, self.characters - closed.characters_before
            self.anchors[closed.anchor] = closed.value, *counts
        elif isinstance(event, yaml.NodeEvent):
            tag = getattr(event, "tag", None)
            if tag is not None and not self.tagged(event):
                raise self.refused("tags are not supported", event, "plain values", event.tag)
            self.add(event)

    def add(self, event: yaml.NodeEvent) -> None:
        """Add a value to the innermost open list or mapping, or make it the top-level value."""
        inner = self.open[-1] if self.open else None
        before = self.values, self.characters
        value = self.value_of(event)
        if inner is None:
            self.value = value
        elif isinstance(inner.value, list):
            inner.value.append(value)
        elif inner.key is None:
            inner.key = self.key(value, inner.value, event)
        else:
            inner.value[inner.key], inner.key = value, None
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append(_Open(value, event.anchor, *before))

    def value_of(self, event: yaml.NodeEvent) -> Any:
        """The value that an event stands for, counted."""
        if isinstance(event, yaml.CollectionStartEvent):
            self.spend(event, 1, 0)
            return self.collection(event)
        if isinstance(event, yaml.ScalarEvent):
            self.spend(event, 1, len(event.value))
            value = self.scalar(event)
            self.anchors[event.anchor] = value, 1, len(event.value)
            return value
        if event.anchor not in self.anchors:
            raise self.refused(
                "an alias without an anchor before it", event, "an anchor", event.anchor
            )
        value, *counts = self.anchors[event.anchor]
        self.spend(event, *counts)
        return value

    def spend(self, event: yaml.Event, values: int, characters: int) -> None:
        self.values, self.characters = self.values + values, self.characters + characters
        if self.values > MOST_VALUES or self.characters > LONGEST:
            expected = f"at most {MOST_VALUES:,} values of {LONGEST:,} characters, aliases included"
            raise self.refused("too many values", event, expected, "more")

    def collection(self, event: yaml.CollectionStartEvent) -> dict[str, Any] | list[Any]:
        if len(self.open) >= DEEPEST:
            raise self.refused(
                "lists and mappings are nested too deeply",
                event,
                f"at most {DEEPEST} levels",
                "more",
            )
        if isinstance(event, yaml.MappingStartEvent):
            return {TAG: event.tag} if event.tag is not None else {}
        return []

    def tagged(self, event: yaml.NodeEvent) -> bool:
        """Whether it is a mapping with one of the tags that are allowed."""
        return isinstance(event, yaml.MappingStartEvent) and event.tag in self.tags

    def key(self, key: Any, mapping: dict[str, Any], event: yaml.Event) -> str:
        if not isinstance(key, str):
            raise self.refused(
                "a key must be a text", event, "text; a number needs quotes", shown(key)
            )
        if key in mapping:
            raise self.refused(
                f"duplicate key {shown(key, 80)}",
                event,
                "each key once",
                "the key again",
                "remove one of the two entries",
            )
        return key

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        text = event.value
        if _UNPRINTABLE.search(text):
            raise self.refused("unprintable characters", event, "printable text", shown(text))
        if not event.implicit[0]:  # quoted, or a block of text
            return text
        if text in _WORDS:
            return _WORDS[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > _MOST_DIGITS:
            raise self.refused(
                "a number is too long", event, f"at most {_MOST_DIGITS} characters", shown(text)
            )
        if _INTEGER.fullmatch(text):
            return int(text)
        # A leading zero: octal to some readers of YAML, decimal to others.
        if text.lstrip("+-").isdecimal():
            return text
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    def refused(
        self, problem: str, event: yaml.Event, expected: str, got: str, fix: str = _FIX
    ) -> SplitDeconvError:
        mark = event.start_mark
        where = f"{shorten(self.where, 200)}, line {mark.line + 1}, column {mark.column + 1}"
        return _refusal(problem, where, expected, got, fix)


def _refusal(
    problem: str, where: str, expected: str, got: str, fix: str = _FIX
) -> SplitDeconvError:
    return SplitDeconvError(
        f"not valid YAML: {problem}",
        where=shorten(where, 300),
        expected=expected,
        got=shorten(got, 300),
        fix=fix,
    )
