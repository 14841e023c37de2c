"""What is computed from times and outputs: paired ratios, differences, ceilings."""

import numpy as np
import pandas as pd
import pytest

from splitdeconv.study import gains
from splitdeconv.toolchains import cpu
from splitdeconv.toolchains.cpu import (
    child as _cpu_child,
)


def test_costs_are_the_ratios_of_the_turns_not_of_the_medians():
    keys = {
        "network": "dcgan",
        "layer": "a",
        "runtime": "ort",
        "dtype": "float32",
        "threads": 1,
        "complete": True,
    }
    rows = [
        {"form": "native", "seconds": 4.0, "speedup": 1.0},
        {"form": "split", "seconds": 2.0, "speedup": 3.0},
    ]
    (gain,) = gains.gains(cpu.costs(pd.DataFrame(rows).assign(**keys)), form="split", cost="cost")[
        "gain"
    ]
    assert gain == pytest.approx(3, rel=1e-15)


def test_integers_differ_by_steps_and_floats_by_the_largest_value():
    integers, floats = np.array([-100, 50, 7], "int8"), np.array([-100, 50, 7], "float32")
    for values, error in ((integers, 3.0), (floats, 0.03)):
        assert _cpu_child.compare([values + values.dtype.type(3)], [values]) == {
            "error": pytest.approx(error)
        }
    assert _cpu_child.compare([np.array([127], "int8")], [np.array([-128], "int8")]) == {
        "error": 255.0
    }


def test_integer_inputs_reach_both_ends_of_their_type():
    drawn = _cpu_child.draw(0, 1, (40, 100), np.dtype("int8"))
    assert (drawn.dtype, drawn.min(), drawn.max()) == ("int8", -128, 127)
    assert (drawn == _cpu_child.draw(0, 1, (40, 100), np.dtype("int8"))).all()
    assert (drawn != _cpu_child.draw(0, 2, (40, 100), np.dtype("int8"))).any()


def test_the_ceiling_is_every_layer_at_the_greatest_rate():
    keys = {"configuration": "a", "complete": True}
    rows = [
        ("x", "native", 100, 2.0),
        ("x", "split", 100, 0.5),
        ("y", "native", 300, 1.0),
        ("y", "split", 300, 3.0),
    ]
    columns = ["layer", "form", "macs", "seconds"]
    table = pd.DataFrame([dict(zip(columns, row, strict=True)) | keys for row in rows])
    other = table.assign(configuration="b", seconds=table["seconds"] / 2)
    broken = table.tail(1).assign(seconds=1e-9, complete=False)
    found = cpu.ceilings(pd.concat([table, other, broken])).set_index(["configuration", "layer"])
    assert found["peak"].tolist() == [300, 300, 600, 600]
    assert found["ceiling"].tolist() == [6, 1, 6, 1]
