"""The rules of the targets agree with the measurements that they cite."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from splitdeconv.convert import conditions
from splitdeconv.convert.decide import decide
from splitdeconv.convert.targets import load_target, names
from tests.formats.sites import site

TABLE = Path(__file__).resolve().parents[2] / "data" / "measured" / "targets.csv"
MEASURED = [name for name in names() if name in set(pd.read_csv(TABLE)["target"])]


def measured():
    """For each target and layer, the gain of each form and interleave over native."""
    table = pd.read_csv(TABLE, keep_default_na=False)
    for (target, dtype, layer, geometry), rows in table.groupby(
        ["target", "dtype", "layer", "geometry"], sort=False
    ):
        (h, w, cin), cout = map(int, layer.split("-")[0].split("x")), int(layer.split("-")[1])
        kernel, stride, padding = geometry.split()
        size, step = int(kernel.split("x")[0]), int(stride[1:])
        one = site((h, w), size, step, padding, cin, cout, dtype=dtype)
        gains = dict(zip(rows["form"], map(float, rows["gain"]), strict=True))
        yield target, one, {name: gain for name, gain in gains.items() if name != "native"}


def gain_of(decision, gains):
    if decision.verdict == "leave":
        return 1.0
    return gains[decision.form + (" d2s" if decision.interleave == "depth_to_space" else "")]


@pytest.mark.parametrize("name", MEASURED)
def test_rules_follow_the_measurements(name):
    """No measured layer is converted at a loss, left in spite of a gain, or far from its best."""
    ratios = []
    for target, one, gains in measured():
        if target != name:
            continue
        decision = decide(one, load_target(name))
        chosen, best = gain_of(decision, gains), max(gains.values())
        # 3 % is what repeated medians on one machine differ by.
        assert chosen > 0.97, (one.geometry, decision)
        assert decision.verdict == "convert" or best < 1.03, (one.geometry, best)
        ratios.append(1.0 if best == chosen else chosen / best)
    assert len(ratios) >= 31
    assert float(np.exp(np.mean(np.log(ratios)))) > 0.94


CLAIM = r"([\d.]+) to ([\d.]+) (?:times fewer than native(?: at stride (\d+))?|of native)"


def claims(target):
    """Every rule of a target that states a range over native, with the range as it is written."""
    for rule in (*target.prefer, *target.leave):
        stated = re.search(CLAIM, rule.reason)
        if stated and rule.source.startswith("data/measured/targets.csv"):
            yield rule, stated[1], stated[2], stated[3]


@pytest.mark.parametrize("name", ["ethos_u55", "ethos_u65", "ethos_u85"])
def test_the_ranges_in_the_reasons_are_those_of_the_measurements(name):
    """The ends of each range are the least and the greatest gain of the rule's layers, rounded."""
    target, seen = load_target(name), 0
    sites = [(one, gains) for of, one, gains in measured() if of == name]
    for rule, low, high, stride in claims(target):
        reached = []
        for one, gains in sites:
            leave = next((leave for leave in target.leave if leave.holds(one)), None)
            first = leave or next(prefer for prefer in target.prefer if prefer.when.holds(one))
            if first is rule and stride in (None, str(one.axes[0].s)):
                reached.append(max(gains.values()) if leave else gains[rule.form])
        reached = [gain for gain in reached if np.isfinite(gain)]
        for text, gain in ((low, min(reached)), (high, max(reached))):
            assert float(text) == round(gain, len(text.partition(".")[2])), (rule.reason, gain)
        seen += 1
    assert seen >= 2


RANGES = ("rank", "groups", "stride", "kernel", "in_channels", "out_channels", "pixels")


@pytest.mark.parametrize("name", MEASURED)
def test_every_rule_carries_the_range_it_was_measured_on(name):
    """Each end of each range is that of a layer that the rule decides, so none reaches further."""
    target = load_target(name)
    decided = {}
    for one in (one for of, one, _ in measured() if of == name):
        leave = next((rule for rule in target.leave if rule.holds(one)), None)
        rule = leave or next(rule for rule in target.prefer if rule.when.holds(one))
        decided.setdefault(id(rule), []).append(one)
    # Which operators there are needs no measurement.
    about_forms = [rule for rule in target.prefer if rule.form]
    for rule in (*about_forms, *target.leave):
        sites = decided[id(rule)]
        assert set(rule.when.dtypes) == {one.dtype for one in sites}, rule
        assert (rule.when.images, rule.when.uniform) == ((1, 1), True), rule
        for fact in RANGES:
            values = [conditions.facts(one)[fact] for one in sites]
            assert tuple(getattr(rule.when, fact)) == (min(values), max(values)), (rule, fact)
