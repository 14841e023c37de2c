"""What the first cell installs fits what Colab's runtimes hold, and replaces none of it."""

import json
import tomllib

import pytest
from packaging.requirements import Requirement

from tools import colab_runtimes, colab_setup
from tools.colab_runtimes import canonical

RECORD = json.loads(colab_runtimes.RECORD.read_text())
RUNTIMES = RECORD["runtimes"]


def requirements(extras=""):
    """What pip is asked for: the package's requirements and those of some extras."""
    project = tomllib.loads((colab_setup.ROOT / "pyproject.toml").read_text())["project"]
    more = (project["optional-dependencies"][extra] for extra in extras.split(",") if extra)
    return [*project["dependencies"], *(one for several in more for one in several)]


def unmet(runtime, asked):
    """The requirements, and those of what is added for them, that a runtime cannot meet."""
    holds, adds = runtime["holds"], runtime["adds"]
    wrong, seen, left = set(), set(), [(text, "") for text in asked]
    while left:
        text, extra = left.pop()
        if (text, extra) in seen:
            continue
        seen.add((text, extra))
        one = Requirement(text)
        about = {"python_full_version": RECORD["python"], "extra": extra}
        about |= {"python_version": RECORD["python"].rpartition(".")[0]}
        if one.marker and not one.marker.evaluate(about):
            continue
        name = canonical(one.name)
        version = holds.get(name) or adds.get(name, {}).get("version")
        if version is None or not one.specifier.contains(version, prereleases=True):
            wrong.add(f"{text}: {version}")
        elif name in adds:
            more = adds[name]["requires"]
            left += [(need, option) for option in ("", *one.extras) for need in more]
    return sorted(wrong)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("notebook", colab_setup.EXTRAS)
def test_every_notebook_fits_every_runtime(runtime, notebook):
    assert unmet(RUNTIMES[runtime], requirements(colab_setup.EXTRAS[notebook])) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_that_is_there_is_installed_again(runtime):
    assert not RUNTIMES[runtime]["holds"].keys() & RUNTIMES[runtime]["adds"].keys()


def test_the_record_is_of_the_runtimes_that_are_meant():
    assert set(RUNTIMES) == {"cpu", "gpu", "tpu"}
    assert {name for name, one in RUNTIMES.items() if "tensorflow" in one["holds"]} == {
        "cpu",
        "gpu",
    }
    assert [name for name, one in RUNTIMES.items() if "libtpu" in one["holds"]] == ["tpu"]
    assert all({"jax", "keras", "matplotlib"} <= one["holds"].keys() for one in RUNTIMES.values())


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ("lazy_loader>=0.6", ["lazy_loader>=0.6: 0.5"]),
        ("numpy<2", ["numpy<2: 2.1.3"]),
        ("papermill", ["papermill: None"]),
        ("colorama; sys_platform == 'win32'", []),
        ("numpy>=2.2; python_version < '3.13'", []),
        ("numpy>=2.2; python_version >= '3.13'", ["numpy>=2.2; python_version >= '3.13': 2.1.3"]),
        ("dask[array]>=2025.1", []),
    ],
)
def test_a_conflict_is_seen(asked, wrong):
    assert unmet(RUNTIMES["cpu"], [asked]) == wrong


def test_a_conflict_of_what_is_added_is_seen():
    runtime = {
        "holds": {"protobuf": "5.29.6"},
        "adds": {
            "onnx": {"version": "1.23.2", "requires": ["protobuf>=6.31", "b; extra == 'more'"]},
            "b": {"version": "2", "requires": ["protobuf<5"]},
        },
    }
    assert unmet(runtime, ["onnx>=1.19"]) == ["protobuf>=6.31: 5.29.6"]
    assert unmet(runtime, ["onnx[more]>=1.19"]) == ["protobuf<5: 5.29.6", "protobuf>=6.31: 5.29.6"]


def test_a_freeze_is_read_whole():
    text = "# a remark\nPyYAML==6.0.3\nml_dtypes==0.6.0\n-e git+https://a/b#egg=c\n"
    text += "torch @ https://a.b/whl/torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl\n"
    assert colab_runtimes.frozen(text) == {
        "pyyaml": "6.0.3",
        "ml-dtypes": "0.6.0",
        "torch": "2.11.0+cpu",
    }
