"""The recorded answers of the back ends are complete, and the README counts them."""

import re
from pathlib import Path

import pandas as pd

from splitdeconv.study import measured

ROOT = Path(__file__).resolve().parents[3]


def test_every_layer_was_asked_for_before_and_after():
    refused = pd.read_csv(ROOT / "data" / "reference" / "refused.csv")
    layers = list(refused[["thread", "about"]].itertuples(index=False, name=None))
    answers = measured.read("backends")
    assert answers["end"].nunique() == 3
    for _, rows in answers.groupby(["end", "model"]):
        assert list(rows[["thread", "about"]].itertuples(index=False, name=None)) == layers
    assert not answers["remark"].str.contains(r"/\w+/\w+/").any()  # no folder of a machine


def test_the_readme_counts_the_answers():
    text = " ".join((ROOT / "README.md").read_text().split())
    numbers = re.search(
        r"Of (\w+) layers that public threads .* LiteRT Torch 0\.10 accepts (\d+) as they are "
        r"and (\d+) converted, and torchao 0\.18 quantizes the filters of (\d+) and of (\d+) ",
        text,
    )
    answers = measured.read("backends")
    accepted = answers.groupby(["end", "model"])["accepted"].sum()
    assert numbers[1] == {12: "twelve"}[answers.groupby(["end", "model"]).size().iloc[0]]
    assert [int(n) for n in numbers.groups()[1:]] == [
        accepted[end, model]
        for end in ("LiteRT Torch", "torchao PT2E")
        for model in ("original", "converted")
    ]
