"""The command line: what it prints, and its exit codes."""

import json
import subprocess
import sys

import pytest

import splitdeconv as sd
from splitdeconv import cli
from splitdeconv.cli import show


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            cli.main(list(arguments))
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


def test_the_list_of_networks(run):
    code, out, err = run("networks")
    assert (code, err) == (0, "")
    assert all(name in out for name in sd.networks.names())
    code, out, _ = run("networks", "--json")
    content = json.loads(out)
    assert (code, content["schema_version"]) == (0, 1)
    assert content["networks"][3] == {"name": "gpgan", "title": "GP-GAN"}


def test_the_layers_of_a_network(run):
    code, out, _ = run("networks", "dcgan")
    assert code == 0
    assert "16x16x128" in out
    assert "useful MMAC per image: 111.41, in deconvolutions 109.77 (98.5%)" in out
    code, out, _ = run("networks", "dcgan", "--json")
    content = json.loads(out)
    assert (code, content["schema_version"], content["network"]) == (0, 1, "dcgan")
    assert content["layers"] == sd.networks.layer_table("dcgan").to_dict("records")


def test_a_plan(run):
    code, out, _ = run(
        "plan",
        "--input",
        "16x12",
        "--kernel",
        "5x4",
        "--stride",
        "2",
        "--output",
        "31x24",
        "--form",
        "rows",
    )
    assert code == 0
    assert out == f"{sd.plan((16, 12), (5, 4), 2, output_shape=(31, 24), form='rows')}\n"


@pytest.mark.parametrize("text", ["16x", "16,16", "large"])
def test_lengths_that_are_none_are_refused_with_an_example(run, text):
    code, _, err = run("plan", "--input", text, "--kernel", "5", "--stride", "2")
    assert code == 2
    assert f"invalid lengths '{text}': expected" in err


@pytest.mark.parametrize("text", ["full", "1:q", "1", "1:1x", "1:2:3"])
def test_crops_that_are_none_are_refused_with_an_example(run, text):
    code, _, err = run("plan", "--input", "9", "--kernel", "5", "--stride", "2", "--padding", text)
    assert code == 2
    assert f"invalid padding '{text}': expected same" in err
    assert "1:1x1:0" in err


def test_a_plan_with_crops_and_unknown_size_as_json(run):
    code, out, _ = run(
        *("plan", "--input", "?x9", "--kernel", "4", "--stride", "2", "--padding", "1:1x0:2"),
        *("--output-padding", "1x0", "--dilation", "1", "--json"),
    )
    content = json.loads(out)
    plan = sd.plan((None, 9), 4, 2, [(1, 1), (0, 2)], output_padding=(1, 0))
    assert (code, content["schema_version"], content["macs_per_channel_pair"]) == (0, 1, None)
    assert content["output_shape"] == [None, plan.output_shape[1]]
    assert [c["kernel_size"] for c in content["convolutions"]] == [
        list(c.kernel_size) for c in plan.convolutions
    ]


def test_counts_in_json_are_per_channel_pair(run):
    _, out, _ = run(
        "plan",
        "--input",
        "16",
        "--kernel",
        "5",
        "--stride",
        "2",
        "--padding",
        "VALID",
        "--groups",
        "2",
        "--json",
    )
    content = json.loads(out)
    assert (content["padding"], content["groups"]) == ("VALID", 2)
    assert content["macs_per_channel_pair"] == sd.plan((16,), 5, 2, "VALID").macs(1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["networks", "gan"], "splitdeconv: unknown network\n"),
        (["plan", "--input", "16", "--kernel", "5", "--output", "99"], "output length 16 to 16"),
        (["plan", "--input", "16", "--kernel", "5", "--form", "sd"], "unknown form"),
        (
            ["plan", "--input", "16x16", "--kernel", "100000", "--stride", "100000"],
            "too large to split",
        ),
        (["plan", "--input", "8x8", "--kernel", "3", "--stride", "60000"], "too large to split"),
    ],
)
def test_a_refusal_exits_with_1_and_no_traceback(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["plan"],
        ["plan", "--input", "axb", "--kernel", "5"],
        ["networks", "--nope"],
        ["networks", "a", "b"],
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert "Usage" in out + err


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "splitdeconv", "plan", "--input", "4", "--kernel", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{sd.plan((4,), 3)}\n"


def test_a_table_is_as_wide_as_a_notebook_shows(monkeypatch):
    wide, shown = ("a" * 60, "b " * 60), []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(
        "rich.jupyter.display", lambda segments, _: shown.extend(s.text for s in segments)
    )
    show.print_table(("one", "two"), [wide])
    text = "".join(shown)
    assert max(map(len, text.splitlines())) <= 106
    assert (text.count("a"), text.count("b")) == (60, 60)


def test_the_version(run):
    assert run("--version") == (0, f"{sd.__version__}\n", "")
