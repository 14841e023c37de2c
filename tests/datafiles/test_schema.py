"""Data files as typed records: what fits, and the dotted path of what does not."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from splitdeconv.datafiles import schema
from tests.refusals import refused


@dataclass(frozen=True)
class Part:
    size: int
    name: str = "none"


@dataclass(frozen=True)
class Whole:
    title: str
    parts: tuple[Part, ...]
    pair: tuple[int | None, float]
    table: dict[str, Part] = field(default_factory=dict)
    level: Literal["low", "high"] | int = "low"
    rate: float | None = None
    open: bool = False
    extra: Any = None
    span: Annotated[tuple[int | float, int | float], "a range [first, last]"] | None = None
    size: int | float = 1


GOOD = {"title": "a", "parts": [{"size": 1}, {"size": 2, "name": "b"}], "pair": [None, 3]}


def test_what_fits_becomes_a_record():
    whole = schema.build(
        Whole, GOOD | {"table": {"x": {"size": 4}}, "level": 7, "rate": 2, "open": True}, "file"
    )
    assert whole == Whole("a", (Part(1), Part(2, "b")), (None, 3.0), {"x": Part(4)}, 7, 2.0, True)
    assert isinstance(whole.rate, float)


@pytest.mark.parametrize(
    ("change", "message", "expected"),
    [
        (
            {"parts": [{"size": 1}, {"size": "2"}]},
            "invalid value of parts.1.size",
            "an integer",
        ),
        (
            {"parts": [{"size": 1, "weight": 3}]},
            "unknown key: parts.0.weight",
            "size, name",
        ),
        ({"parts": [{"name": "x"}]}, "missing key: parts.0.size", "an integer"),
        ({"parts": 5}, "invalid value of parts", "a list, each item a mapping"),
        (
            {"pair": [1]},
            "invalid value of pair",
            "a list of 2: an integer or null; a number",
        ),
        ({"pair": [1.5, 2]}, "invalid value of pair.0", "an integer or null"),
        (
            {"table": {"x": {"size": True}}},
            "invalid value of table.x.size",
            "an integer",
        ),
        ({"table": {"x": 1}}, "invalid value of table.x", "a mapping"),
        (
            {"level": "middle"},
            "invalid value of level",
            "'low' or 'high' or an integer",
        ),
        ({"rate": "fast"}, "invalid value of rate", "a number or null"),
        ({"open": 1}, "invalid value of open", "true or false"),
        ({"size": "big"}, "invalid value of size", "a number"),
        ({"span": 4}, "invalid value of span", "a range [first, last] or null"),
        ({"span": [4, "x"]}, "invalid value of span", "a range [first, last]"),
        ({"colour": "red"}, "unknown key: colour", "title, parts"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(change, message, expected):
    with refused(message) as caught:
        schema.build(Whole, GOOD | change, Path("folder/file.yaml"))
    assert expected in caught.value.expected
    assert caught.value.where == "file.yaml"


def test_a_misspelt_key_is_corrected():
    with refused("unknown key: parts.1.nam") as caught:
        schema.build(Whole, GOOD | {"parts": [{"size": 3}, {"size": 5, "nam": "b"}]}, "file")
    assert caught.value.fix == "did you mean name?"


def test_a_missing_key_is_told_with_those_that_are_there():
    with refused("missing key: pair") as caught:
        schema.build(Whole, {"title": "a", "parts": []}, "file")
    assert caught.value.got == "only title, parts"
    with refused("missing key: parts.0.size") as caught:
        schema.build(Whole, GOOD | {"parts": [{}]}, "file")
    assert caught.value.got == "no keys"


def test_a_list_is_no_record():
    with refused("the file has another structure"):
        schema.build(Whole, [1], "file")


def test_files_are_read_and_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("title: a\nparts: []\npair: [1, 2.5]\n")
    assert schema.read(Whole, path) == Whole("a", (), (1, 2.5))
    path.write_text("title: [unclosed\n")
    with refused("not valid YAML"):
        schema.read(Whole, path)
    path.write_text("!!python/object/apply:os.system ['false']\n")
    with refused("not valid YAML"):
        schema.read(Whole, path)
    path.write_text("title: a\nparts: []\npair: [1, 2.5]\ntitle: b\n")
    with refused("not valid YAML: duplicate key 'title'") as caught:
        schema.read(Whole, path)
    assert caught.value.where == f"{path}, line 4, column 1"
    path.write_bytes(b"\xff\xfe\x00")
    with refused("cannot be read"):
        schema.read(Whole, path)
    with refused("cannot be read"):
        schema.read(Whole, tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    "change",
    [
        {"title": ["x" * 100_000]},
        {"title": {"x" * 100_000: 1}},
        {"x" * 100_000: 1},
        {"table": {"x" * 100_000: 1}},
        {"level": "x" * 100_000},
        {"level": [[[[[[[["x"]]]]]]]] * 10_000},
        {"title": 10**5000},
        {"rate": 10**5000},
        {"pair": list(range(100_000))},
    ],
    ids=lambda change: next(iter(change))[:10],
)
def test_a_refusal_is_short_whatever_the_data(change):
    with refused("invalid value of |unknown key: ") as caught:
        schema.build(Whole, GOOD | change, "file")
    assert len(str(caught.value)) < 800
