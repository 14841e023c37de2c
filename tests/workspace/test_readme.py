"""The README's examples give what the README says."""

import doctest
import re
from pathlib import Path

import pytest

import splitdeconv
from splitdeconv.study import summary

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_examples_print_what_is_written():
    # The account's lines are longer than the page; everything else must match to the letter.
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert (failed, tried) == (0, 4)


def test_names_in_the_examples_are_public():
    names = re.findall(r"\bsd\.([a-z_0-9]+)", README)
    assert {"plan", "conv2d_transpose", "layers"} <= set(names) <= set(splitdeconv.__all__)


def test_the_table_of_forms_is_what_plans_count():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", README, re.MULTILINE))
    # Large enough for borders to vanish from the two digits shown.
    counts = [splitdeconv.plan((4096, 4096), k, 2).macs(1, 1) for k in (5, 4, 3)]
    for form, cell in rows.items():
        shown = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]
        assert shown == [round(count[form] / count["useful"], 2) for count in counts], form
    assert list(rows) == ["split", "rows", "stacked", "paper", "nzp"]


def test_the_first_screen_states_the_range_of_the_results():
    table = README[README.index("## Results") : README.index("## Use it in code")]
    over_native = re.findall(
        r"^\|[^|]+\|[^|]+\| (\d+\.\d\d) \([^|]+\|[^|]+\|$", table, re.MULTILINE
    )
    assert len(over_native) == 12
    means = sorted(map(float, over_native))
    first = README[: README.index("## Convert your model")]
    assert re.findall(r"run (\d+\.\d\d) to (\d+\.\d\d) times", first) == [
        (f"{means[0]:.2f}", f"{means[-1]:.2f}")
    ]


@pytest.mark.slow
def test_the_results_are_those_of_the_summary():
    means = summary.means(
        summary.summary(["dcgan", "sngan", "artgan", "gpgan", "mde", "fst"])
    ).droplevel("kind")
    table = README[README.index("## Results") : README.index("## Use it in code")]
    rows = re.findall(r"^\| ([^|`]+) \| [^|]+ \|([^|]*)\|([^|]*)\|$", table, re.MULTILINE)[1:]
    assert len(rows) == 15
    for name, *cells in rows:
        for side, cell in zip(("native", "nzp"), cells, strict=True):
            # What is not chosen by rules, as the model's and the published numbers, is the split
            # form's own.
            gains = means.loc[name][f"auto_over_{side}"].fillna(means.loc[name][f"over_{side}"])
            wanted = "" if gains.isna().any() else f"{gains['mean']:.2f} ({gains['least']:.2f})"
            assert cell.strip() == wanted, (name, side)


def _shown(ends, percent):
    """The ends of a range of gains as the README writes them, and whether ArtGAN sets each."""
    marks = ["*" * (name == "artgan") for name in (ends.idxmin(), ends.idxmax())]
    unit = " %" if percent else ""
    values = [f"{100 * v:.0f}" if percent else f"{v:.2f}" for v in (ends.min(), ends.max())]
    least, most = (value + unit + mark for value, mark in zip(values, marks, strict=True))
    return f"{least} to {most}"


def test_the_ranges_over_zero_insertion_are_the_model_s():
    networks = ["dcgan", "sngan", "artgan", "gpgan", "mde", "fst"]
    table = README[
        README.index("| over zero insertion, transposed") : README.index("Both methods run in")
    ]
    rows = [
        [cell.strip() for cell in line.split("|")[3:-1]] for line in table.strip().splitlines()[2:]
    ]
    for column, name in enumerate(("dot_product_16x16", "pe_array_32x7", "pe_array_16x16")):
        wanted = []
        for variant in (("sd", "none"), ("sd", "WA")):
            stored, generated = (
                splitdeconv.dlp.compare(networks, name, [variant], zeros=zeros)
                .query("part == 'deconv' and method == 'sd'")
                .set_index("network")
                for zeros in ("stored", "generated")
            )
            wanted.append(_shown(generated.speedup, percent=False))
            wanted += [_shown(side.energy_saving, percent=True) for side in (stored, generated)]
        assert [row[column] for row in rows] == wanted, name
