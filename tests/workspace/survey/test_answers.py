"""The recorded answers are to the list of networks, none is wrong, and the README counts them."""

import re
from pathlib import Path

import pytest

from splitdeconv.study import measured
from tools.survey import table
from tools.survey.entries import entries

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.fixture(scope="module")
def answers():
    """The table of data/measured/models.csv."""
    return measured.read(table.NAME)


def test_every_file_of_every_network_was_surveyed(answers):
    asked = [(entry.network, entry.export) for entry in entries()]
    assert sorted(answers[table.KEY].itertuples(index=False, name=None)) == sorted(asked)


def test_nothing_is_wrong_lost_or_refused_without_a_reason(answers):
    assert set(answers["outcome"]) <= {"converted", "nothing to convert", "refused"}
    refused = answers[answers["outcome"] == "refused"]
    assert (refused["reason"].str.len() > 40).all()
    assert not answers["reason"].astype(str).str.contains(r"/home/|/tmp/\w+/").any()


def test_differences_are_what_rounding_explains(answers):
    done = answers[answers["outcome"] == "converted"]
    assert done["error"].notna().all()
    for row in done.to_dict("records"):
        assert row["error"] <= table.allowed(row["export"], row["rounding"]), row["network"]
        assert row["converted"] + row["refused"] == row["layers"], row["network"]


def test_no_tuned_model_is_slower_beyond_its_interval(answers):
    timed = answers[answers["tuned_gain"].notna()]
    assert (timed["tuned_gain_high"] >= 0.98).all()


def test_the_readme_counts_them(answers):
    text = " ".join(README.read_text().split())
    found = re.search(r"(\d+) files of (\d+) networks .* (\d+) of them have transposed", text)
    files, networks, layered = map(int, found.groups())
    assert (files, networks) == (len(answers), answers["network"].nunique())
    assert layered == (answers["layers"] > 0).sum()
    (refused,) = answers[answers["outcome"] == "refused"].to_dict("records")  # "all but one"
    assert (refused["format"], refused["export"]) == ("tflite", "tflite")
    assert "convert the Keras or ONNX model" in refused["reason"]
