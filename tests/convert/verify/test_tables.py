"""Integer inputs that are looked up in a table take all of its rows."""

from dataclasses import replace

import keras
import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper, numpy_helper

import splitdeconv as sd
from splitdeconv.convert import timing as measure
from splitdeconv.convert.verify.entry import Pair
from splitdeconv.convert.verify.inputs import find_recipe
from splitdeconv.convert.verify.reach import reaches_output
from splitdeconv.convert.verify.run import load
from splitdeconv.convert.verify.tables import described
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.port import Input, RejectedError
from splitdeconv.formats.registry import format_of
from tests.formats.onnx import models as onnx_models
from tests.formats.tflite.models import Builder, make

ROWS = 37


def tokens_onnx(before=(), name="ids", axis=0, dtype="i8"):
    """A model that looks up tokens in a table of ROWS rows along `axis`, and upsamples them."""
    rng = np.random.default_rng(6)
    table = rng.standard_normal((ROWS, 3) if axis == 0 else (3, ROWS)).astype("f4")
    w = rng.standard_normal((3, 2, 4)).astype("f4")
    nodes = [*before, helper.make_node("Gather", ["table", name], ["g"], axis=axis)]
    perm = [0, 2, 1] if axis == 0 else [1, 0, 2]
    nodes += [
        helper.make_node("Transpose", ["g"], ["a"], perm=perm),
        helper.make_node("ConvTranspose", ["a", "w"], ["y"], name="up", strides=[2]),
    ]
    ports = onnx_models.value("ids", dtype, [1, 50]), onnx_models.value("y", "f4", [None] * 3)
    return onnx_models.model(
        nodes, ports[:1], ports[1:], {"table": table, "w": w}
    ).SerializeToString()


def tokens_tflite():
    """A model that looks up tokens."""
    builder = Builder()
    ids, wide = builder.tensor("ids", [1, 20], "i8"), builder.tensor("wide", [1, 20], "i4")
    table = builder.constant("table", np.arange(ROWS * 2, dtype="f4").reshape(ROWS, 2))
    out = builder.tensor("out", [1, 20, 2], "f4")
    builder.operator("CAST", [ids], [wide], make("CastOptions"))
    builder.operator("GATHER", [table, wide], [out], make("GatherOptions", axis=0))
    return builder.build([ids], [out])


@pytest.mark.parametrize(
    "model",
    [
        tokens_onnx(),
        tokens_onnx(axis=1),
        tokens_onnx([helper.make_node("Cast", ["ids"], ["c"], to=7)], "c", dtype="i4"),
        tokens_onnx(
            [
                helper.make_node("Identity", ["ids"], ["c"]),
                helper.make_node("Identity", ["c"], ["d"]),
            ],
            "d",
        ),
    ],
    ids=["plain", "axis 1", "cast", "twice"],
)
def test_tables_of_onnx_are_found(model):
    ports = load(format_of("onnx"), model)[""].inputs
    assert [port.rows for port in described(format_of("onnx"), model, ports)] == [ROWS]


def test_what_is_computed_from_an_input_is_no_index_of_a_table():
    half = [
        helper.make_node("Div", ["ids", "two"], ["c"]),
        helper.make_node("Constant", [], ["two"], value_int=2),
    ]
    model = tokens_onnx(half[::-1], "c")
    ports = load(format_of("onnx"), model)[""].inputs
    assert [port.rows for port in described(format_of("onnx"), model, ports)] == [None]


def test_tables_of_tflite_are_found():
    model = tokens_tflite()
    ports = load(format_of("tflite"), model)[""].inputs
    assert [(port.name, port.rows) for port in described(format_of("tflite"), model, ports)] == [
        ("ids", ROWS)
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tables_of_keras_are_found_and_models_verified_over_them():
    ids = keras.Input((9,), dtype="int32", name="ids")
    y = keras.layers.Conv1DTranspose(2, 4, 3)(keras.layers.Embedding(ROWS, 5)(ids))
    model = keras.Model(ids, y)
    ports = load(format_of("keras"), model)[""].inputs
    assert [(port.name, port.rows) for port in described(format_of("keras"), model, ports)] == [
        ("ids", ROWS)
    ]
    assert sd.convert(model).report.verification.method == "model"


def test_all_rows_are_drawn_and_none_beyond():
    model = tokens_onnx()
    run = load(format_of("onnx"), model)[""]
    ports = described(format_of("onnx"), model, run.inputs)
    recipe, _ = find_recipe(run, ports, 3)
    drawn = np.concatenate([recipe.draw(ports, index, 3)["ids"] for index in range(20)])
    assert set(drawn.ravel()) == set(range(ROWS))
    assert sd.convert(model).report.verification.passed


def test_smaller_ones_are_drawn_where_the_model_does_not_take_all():
    port = Input("ids", np.dtype("i8"), (1, 60), rows=90)

    def run(feed):
        if feed["ids"].max() > 1:
            raise RejectedError("flags only")

    recipe, _ = find_recipe(run, [port], 0)
    assert (recipe.most, recipe.tables) == (1, False)
    assert set(recipe.draw([port], 1, 0)["ids"].ravel()) == {0, 1}


def test_an_index_of_few_bits_stays_within_them():
    port = Input("ids", np.dtype("i1"), (1, 900), rows=1000)
    recipe, _ = find_recipe(lambda feed: None, [port], 0)
    values = recipe.draw([port], 0, 0)["ids"]
    assert (values.min(), values.max()) == (0, 127)


def hidden_rows():
    """A model whose first two rows yield only zeros, and its transposed convolution."""
    source = onnx.load_model_from_string(tokens_onnx())
    table = next(t for t in source.graph.initializer if t.name == "table")
    values = numpy_helper.to_array(table).copy()
    values[:2] = 0
    table.CopyFrom(numpy_helper.from_array(values, "table"))
    return source.SerializeToString()


def test_an_operator_is_seen_to_reach_an_output_by_all_rows():
    data = hidden_rows()
    (site,) = OnnxModel.parse(data).sites()
    pair = Pair(format_of("onnx"), data, data, None, None, 0.0, 0)
    assert reaches_output(pair, site)


@pytest.mark.parametrize("dtype", ["i4", "i8"])
def test_what_is_timed_reads_all_of_the_table(monkeypatch, dtype):
    fed = []
    monkeypatch.setattr(
        measure.bench, "interleaved", lambda functions, **_: fed.append(functions) or {}
    )
    monkeypatch.setattr(measure.bench, "summarize", lambda *_, **__: pd.DataFrame({"name": []}))
    before = [helper.make_node("Cast", ["ids"], ["c"], to=7)] if dtype == "i4" else ()
    data = tokens_onnx(before, "c" if before else "ids", dtype=dtype)
    measure.time_models({"one": data, "other": data}, threads=(1,), seed=3)
    (sample,) = next(iter(fed[0].values())).args
    assert (sample["ids"].min(), sample["ids"].max()) == (0, ROWS - 1)
    assert len(np.unique(sample["ids"])) > ROWS // 2


def test_other_values_stay_within_the_table_as_well():
    port = Input("ids", np.dtype("i8"), (40,), rows=5)
    recipe, _ = find_recipe(only(lambda feed: feed["ids"].max() < 5), [port], 0)
    for most, tables in ((1, False), (100, False), (100, True)):
        values = replace(recipe, most=most, tables=tables).draw([port], 0, 0)["ids"]
        assert values.max() == (1 if most == 1 else 4)


def only(suits):
    """A run that takes what suits."""

    def run(feed):
        if not suits(feed):
            raise RejectedError("no")

    return run
