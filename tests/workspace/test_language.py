"""Sentences that people read are idiomatic: turns of phrase to stumble over are found.

Every string, docstring and comment of the package, every document and every notebook is read.
"""

import ast
import io
import json
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("*.md", "docs/**/*.md", "docs/**/*.rst", "data/**/*.md", "notebooks/*.md")

#: What a table has one row of, a figure one panel of, and so on.
UNITS = (
    "axis|bar|cell|column|configuration|convolution|core|curve|figure|file|form|generator|geometry|group|image|item|"
    "layer|line|method|model|module|name|network|operator|output|panel|phase|picture|point|process|processor|reason|"
    "round|row|second|tap|target|test|turn|value"
)
#: What may follow "is no": comparatives, where English says it so.
COMPARATIVES = (
    r"\w+er\b|longer\b|more\b|less\b|better\b|worse\b|different\b|good\b|use\b|need\b|way\b"
)
PATTERNS = {
    # name: (pattern, what to write instead)
    "is no": (
        rf"(?<!there )\b(?:is|are|was|were|be) no (?!{COMPARATIVES})",
        "is not a ..., must be a ...",
    ),
    "is none": (r"\b(?:what|that|which|it|one|`\w+`) (?:is|are) none\b", "is invalid"),
    "there twice": (r"\b(?:there|in it) twice\b", "duplicate ..."),
    "a row a layer": (
        rf"\b(?:an?|one|two|three|each|its|\d+) (?:{UNITS})s? an? (?:{UNITS})\b(?!')"
        rf"|\b(?:{UNITS})s an? (?:{UNITS})\b(?!')",
        "one row per layer",
    ),
    "at the least": (r"\bat the (?:least|most)\b(?! \w+)", "at least"),
    "said": (
        r"\b(?:is|are|was|were|be|been|not|as) (?:said|told)\b|\b(?:told|tells)\b(?! \w+ apart)",
        "given, states",
    ),
    "held against": (r"\b(?:held|holds?)(?: [\w']+){0,3} against\b", "compared with"),
    "stands": (r"\bstands?\b(?! for\b| out\b| alone\b|-)|\bstood\b", "is, appears"),
    "who": (
        r"(?:^|[.;:,] |\b(?:to|for|by|than|what) )who (?!is\b|are\b|was\b|will\b|did\b)",
        "a user who ...",
    ),
    "nobody": (
        r"\bnobody(?:'s)? (?:asked|chose|else|gave|method|named|vouches|wants)\b",
        "the passive",
    ),
    "become of": (
        r"\bbecomes? of\b|\bc[oa]mes? of (?:itself|themselves)\b|\bbeforehand\b",
        "happen to",
    ),
}
#: How an error must not begin: "no padding: ..." reads as if the padding were missing.
INVERTED = r"(?:no|not an?) [\w-]+(?: [\w-]+)?: "


def problems(text, message=False):
    """The unidiomatic phrases of a text, each with what to write instead."""
    flat = re.sub(r"\s+", " ", text).strip()
    found = [
        (name, flat[max(match.start() - 40, 0) : match.end() + 40], instead)
        for name, (pattern, instead) in PATTERNS.items()
        for match in re.finditer(pattern, flat, re.IGNORECASE)
    ]
    if message and re.match(INVERTED, flat):
        found.append(("inverted", flat[:60], "invalid ... 'value': expected ..."))
    return found


def code_texts(code):
    """(line, text) of every string, formatted string and block of comments."""
    tree = ast.parse(code)
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    pieces = {id(piece) for node in formatted for piece in node.values}
    for node in formatted:
        yield (
            node.lineno,
            "".join(
                piece.value if isinstance(piece, ast.Constant) else "{}" for piece in node.values
            ),
        )
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in pieces
        ):
            yield node.lineno, node.value
    block = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type != tokenize.COMMENT:
            continue
        # Comments on consecutive lines are one text.
        if block and token.start[0] != block[-1][0] + 1:
            yield block[0][0], " ".join(words for _, words in block)
            block = []
        block.append((token.start[0], token.string.lstrip("#: ")))
    if block:
        yield block[0][0], " ".join(words for _, words in block)


def paragraphs(text):
    """The paragraphs, list items and table rows of a document in Markdown."""
    return re.split(r"\n\s*\n|\n(?=\* |- |\|)", text)


def texts():
    """(place, text, whether it may be an error message) of all that is read."""
    for path in sorted((ROOT / "splitdeconv").rglob("*.py")):
        place = path.relative_to(ROOT)
        found = code_texts(path.read_text())
        # A single word is a name, such as a key, and not a sentence.
        yield from (
            (f"{place}:{line}", text, True) for line, text in found if not text.isidentifier()
        )
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            for paragraph in paragraphs(path.read_text()):
                yield str(path.relative_to(ROOT)), paragraph, False
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text())["cells"]):
            place, source = f"{path.relative_to(ROOT)}, cell {number}", "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                yield from ((place, paragraph, False) for paragraph in paragraphs(source))
            else:
                yield from ((f"{place}:{line}", text, False) for line, text in code_texts(source))


def test_what_people_read_is_plain_english():
    read = list(texts())
    assert len(read) > 3000
    found = [
        f"{place}: {problem}"
        for place, text, message in read
        for problem in problems(text, message)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("is no", "the batch is no positive integer"),
        ("is none", "SplitDeconvError: a timeout that is none."),
        ("there twice", "the key 'x' is there\n    twice"),
        ("a row a layer", "One row a network, layer and configuration"),
        ("a row a layer", "rates in operations: values a second"),
        ("at the least", "split one of its layers at the least"),
        ("said", "the padding is not said"),
        ("said", "the report tells why"),
        ("held against", "Every file is held against the profile."),
        ("stands", "the reason stands beside each row"),
        ("who", "as above; who names a form has chosen"),
        ("nobody", "inputs that nobody gave"),
        ("become of", "what would become of each layer"),
        ("inverted", "no padding: '16y16'"),
        ("inverted", "no image size: {}"),
    ],
)
def test_what_is_not_english_is_found(name, text):
    assert name in [found for found, *_ in problems(text, message=True)]


@pytest.mark.parametrize(
    "text",
    [
        "There is no file of that name; the loop is no longer needed.",
        "An empty list where there is none, at least one row per layer, at most two.",
        "NZP stands for naive zero padding.",
        "Users who keep the file; a layer that no one uses. The standard deviation stands out.",
        "no sample: expected one",
        "not found",
        "a row and a column",
    ],
)
def test_english_passes(text):
    assert problems(text) == []


def test_every_kind_of_text_in_code_is_read():
    code = (
        '"""One."""\n# two\n# three\nraise ValueError(f"four {x!r} five")\nname = "six"  # seven\n'
    )
    assert sorted(text for _, text in code_texts(code)) == [
        "One.",
        "four {} five",
        "seven",
        "six",
        "two three",
    ]
    lines = [
        (line, problems(text)[0][0]) for line, text in code_texts("x = 1\n# this is no\n# model\n")
    ]
    assert lines == [(2, "is no")]


#: Identifiers that do not say what they hold.
VAGUE = {"found", "said", "stay_apart", "told", "unreasonable", "wanted"}


def vague_names(code):
    """The identifiers of a module that do not say what they hold."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Attribute):
            names.add(node.attr if isinstance(node, ast.Attribute) else node.name)
        elif isinstance(node, ast.Name | ast.arg):
            names.add(node.id if isinstance(node, ast.Name) else node.arg)
    return names & VAGUE


def test_names_say_what_they_hold():
    modules = (ROOT / "splitdeconv").rglob("*.py")
    vague = {str(path.relative_to(ROOT)): vague_names(path.read_text()) for path in modules}
    assert {path: names for path, names in vague.items() if names} == {}


def test_vague_names_are_noticed():
    code = (
        "def unreasonable(said, x):\n    found = x.told\n    return {wanted for wanted in found}\n"
    )
    assert vague_names(code) == VAGUE - {"stay_apart"}
    assert vague_names("def find(text):\n    matches = text.foundation\n") == set()
