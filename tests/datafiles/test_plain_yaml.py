"""The subset of YAML that data files are read in: its values, its limits, what is outside."""

import random

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.datafiles import plain_yaml
from splitdeconv.datafiles.plain_yaml import TAG, load
from tests.refusals import refused

LAUGHS = "\n".join(
    ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        (
            "a: 1\nb: [x, 'y', \"z\"]\nc: {d: -2.5, e: ~}",
            {"a": 1, "b": ["x", "y", "z"], "c": {"d": -2.5, "e": None}},
        ),
        ("[true, False, null, '', yes, off]", [True, False, None, "", "yes", "off"]),
        ("[+7, 1e3, .5, 5., -1.5E-2, -.inf]", [7, 1000.0, 0.5, 5.0, -0.015, -float("inf")]),
        (
            "[010, 1_0, 0x1f, 0x_, 1:30, 2020-01-01]",
            ["010", "1_0", "0x1f", "0x_", "1:30", "2020-01-01"],
        ),
        ("['8', \"true\", 'null']", ["8", "true", "null"]),
        ("a: |\n  two\n  lines\nb: >-\n  one\n  line", {"a": "two\nlines\n", "b": "one line"}),
        (
            "a: &x one\nb: *x\nc: &y [*x, 2]\nd: *y",
            {"a": "one", "b": "one", "c": ["one", 2], "d": ["one", 2]},
        ),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
        ("# a comment\n--- # and another\n{a: b}\n...\n", {"a": "b"}),
        ("[[], {}, [[]]]", [[], {}, [[]]]),
    ],
)
def test_values(text, value):
    found = load(text, "a test")
    assert found == value
    assert repr(found) == repr(value)  # 1 is not 1.0, nor True


def test_not_a_number():
    assert str(load(".nan", "a test")) == "nan"


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a: 1\na: 2", "duplicate key 'a'", 2),
        ("a: {b: 1, 'b': 2}", "duplicate key 'b'", 1),
        ("a: [1", "syntax error", None),
        ('a: "\\U00110000"', "syntax error", None),
        ("%YAML " + "9" * 5000 + ".1\n--- a", "syntax error", None),
        ("a: \0", "syntax error", None),
        ('\n- "\\ud800"', "unprintable characters", 2),
        ('- "\\x1b[31m"', "unprintable characters", 1),
        ('"\\x1b": 1', "unprintable characters", 1),
        ("a: 1\n---\nb: 2", "more than one document", 2),
        ('name: !!float "abc"', "tags are not supported", 1),
        ("!!python/object/apply:os.system ['false']", "tags are not supported", 1),
        ("{1: 2}", "a key must be a text", 1),
        ("? 2\n: 1", "a key must be a text", 1),
        ("? [a]\n: 1", "a key must be a text", 1),
        ("[*x]", "an alias without an anchor", 1),
        ("&x [*x]", "an alias without an anchor", 1),
        ("a: " + "9" * 5000, "a number is too long", 1),
        ("a: 1." + "9" * 5000, "a number is too long", 1),
        ("[" * 5000, "lists and mappings are nested too deeply", 1),
        ("- " * 5000, "lists and mappings are nested too deeply", 1),
        ("{a: " * 5000, "lists and mappings are nested too deeply", 1),
        ("[" + "1, " * 6000 + "]", "too many values", 1),
        (LAUGHS, "too many values", None),
        ("a: &x " + "y" * 60_000 + "\nb: [*x, *x]", "too many values", 2),
        ("#\n" * 100_000, "too long", None),
        ("a: " + "x" * 200_000, "too long", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_refused(text, problem, line):
    with refused(f"not valid YAML: {problem}") as caught:
        load(text, "a test")
    assert caught.value.where.startswith(f"a test, line {line}, column " if line else "a test")
    assert len(str(caught.value)) < 600


def test_limits_are_reached_not_only_approached():
    deepest = "[" * plain_yaml.DEEPEST + "]" * plain_yaml.DEEPEST
    load(deepest, "a test")
    with refused("nested too deeply"):
        load(f"[{deepest}]", "a test")
    most = plain_yaml.MOST_VALUES - 1
    assert len(load("[" + "1," * most + "]", "a test")) == most
    with refused("too many values"):
        load("[" + "1," * (most + 1) + "]", "a test")


def test_mutated_texts_are_read_or_refused():
    pieces = [
        "a: ",
        "[",
        "]",
        "{",
        "}",
        "- ",
        "&x ",
        "*x",
        "? ",
        ": ",
        "|\n",
        ">\n",
        '"',
        "'",
        "\\",
        "\n",
        "  ",
        "#",
        "%",
        "!",
    ]
    pieces += [
        "!!int ",
        "<<: ",
        "1",
        "e9",
        ".inf",
        "2020-01-01",
        "---\n",
        "...\n",
        "\t",
        "\ufeff",
        "\x00",
        "\x1b",
        "é",
        "~",
    ]
    rng = random.Random(0)
    errors = []
    for _ in range(2000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 25)))
        try:
            load(text, "a test")
        except SplitDeconvError as error:
            errors.append(str(error))
    assert 100 < len(errors) < 1900
    assert max(map(len, errors)) < 600


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("none", "none"),
        ("NO", '"NO"'),
        ("null", '"null"'),
        ("8x8", '"8x8"'),
        ("", '""'),
        ("a: b # c", '"a: b # c"'),
        ('say "\\"\n', '"say \\"\\\\\\"\\n"'),
        (3, "3"),
        (3.0, "3"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-300, "1e-300"),
        (True, "true"),
        (None, "null"),
        (["A", [1, 2.5]], "[A, [1, 2.5]]"),
        ({"a": 1.5, "no": [None]}, '{a: 1.5, "no": [null]}'),
        ({}, "{}"),
    ],
)
def test_what_is_written_is_read_as_the_same(value, text):
    assert plain_yaml.written(value) == text
    assert load(f"key: {text}", "a test") == {"key": value}


def test_tags_that_are_allowed_name_what_a_mapping_is():
    tags = ("!Memory", "!Array")
    text = "- !Memory {bits: 3}\n- !Array\n  nodes: [{a: 1}]\n- !Memory {}\n"
    expected = [{TAG: "!Memory", "bits": 3}, {TAG: "!Array", "nodes": [{"a": 1}]}]
    assert load(text, "a test", tags) == [*expected, {TAG: "!Memory"}]
    for refused_text in ("!Memory 3", "!Memory [3]", "!Cache {bits: 3}", "!!python/none {}"):
        with refused("tags are not supported"):
            load(refused_text, "a test", tags)
    with refused("duplicate key") as caught:
        load("!Memory {'!': 1}", "a test", tags)
    assert caught.value.fix == "remove one of the two entries"
