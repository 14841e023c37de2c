"""Every public name that a user calls shows an example that gives what it says."""

import doctest
import inspect
import io
from types import ModuleType

import pytest

import splitdeconv as sd


def public():
    """Public names, with what they mean: those of the package and of the modules that it offers."""
    offered = {"": sd.__all__, "networks.": sd.networks.__all__, "dlp.": sd.dlp.__all__}
    offered |= {
        "pretrained.": sd.pretrained.__all__,
        "layers.": [f"SplitConv{rank}DTranspose" for rank in (1, 2, 3)],
    }
    return [
        f"{prefix}{name}"
        for prefix, names in offered.items()
        for name in names
        if not name.isupper()
    ]


def resolve(name):
    found = sd
    for part in name.split("."):
        found = getattr(found, part)
    return found


def examples(found, name):
    """The examples in the docstring of `found`."""
    return doctest.DocTestParser().get_doctest(inspect.getdoc(found) or "", {}, name, None, 0)


def failures(test):
    """What the examples print that they do not say they print; empty if nothing."""
    report = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    return report.getvalue()


MODULES = {"dlp", "layers", "networks", "pretrained", "dlp.cycles"}
# `sd.torch` needs PyTorch: tests/test_torch.py runs its examples.
NAMES = sorted(set(public()) - MODULES - {"torch"})


def test_what_is_left_out_are_modules():
    assert all(isinstance(resolve(name), ModuleType) for name in MODULES)
    assert {
        "plan",
        "convert",
        "conv3d_transpose",
        "networks.build",
        "dlp.sweep",
        "SplitDeconvError",
    } <= set(NAMES)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
@pytest.mark.parametrize("name", NAMES)
def test_its_example_gives_what_it_says(name):
    test = examples(resolve(name), name)
    assert any(example.want for example in test.examples), (
        f"splitdeconv.{name} shows no example with its output"
    )
    assert failures(test) == ""


def wrong():
    """An example that is not so.

    >>> 1 + 1
    3
    """


def test_a_wrong_example_and_a_missing_one_are_found():
    assert "Expected:\n    3\nGot:\n    2" in failures(examples(wrong, "wrong"))
    assert not examples(test_a_wrong_example_and_a_missing_one_are_found, "none").examples
