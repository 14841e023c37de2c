"""The operators in traced and compiled functions: unknown sizes, graphs, late checks."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from tests.layer import CIN, COUT, FORMS, KERNEL, SIZES, STRIDES, data, definition, operator
from tests.refusals import refused


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_traced_with_unknown_sizes(form, compiled):
    """One trace serves every batch and size; the default output follows."""
    x, w = data(2)
    traces = []

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, CIN], tf.float64)], jit_compile=compiled
    )
    def run(x):
        traces.append(x.shape)
        return sd.conv2d_transpose(x, w, None, STRIDES[:2], form=form)

    for batch, height in ((2, 5), (1, 5), (2, 3)) if not compiled else ((2, 5),):
        part = x[:batch, :height]
        np.testing.assert_allclose(run(tf.constant(part)), definition(part, w), rtol=0, atol=1e-13)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("rank", "more"), [(1, {}), (3, {}), (2, {"dilations": 2}), (2, {"groups": CIN})], ids=str
)
def test_compiled_by_xla(rank, more):
    x, w = data(rank)
    groups = more.pop("groups", 1)
    planned = sd.plan(SIZES[:rank], KERNEL[:rank], STRIDES[:rank], groups=groups, **more)
    run = tf.function(operator(rank), jit_compile=True)
    y = run(
        tf.constant(x),
        tf.constant(w),
        (2, *planned.output_shape, COUT * groups),
        STRIDES[:rank],
        **more,
    )
    np.testing.assert_allclose(y, conv_transpose(x, w, planned), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("form", "interleave", "allowed"),
    [
        ("split", "concat", {"Conv2D": 4, "ConcatV2": 3}),
        ("rows", "concat", {"Conv2D": 2, "ConcatV2": 1}),
        ("stacked", "transpose", {"Conv2D": 1, "Transpose": 1, "StridedSlice": None}),
        ("stacked", "depth_to_space", {"Conv2D": 1, "DepthToSpace": 1, "StridedSlice": None}),
        ("paper", "concat", {"Conv2D": 4, "ConcatV2": 3, "StridedSlice": None}),
        ("nzp", "concat", {"Conv2D": 1, "Pad": 2}),
    ],
)
def test_constant_filters_are_split_outside_the_graph(form, interleave, allowed):
    """The graph holds ready filters, convolutions and interleave: no gather, no transpose else."""
    _, w = data(2)
    run = tf.function(
        lambda x: sd.conv2d_transpose(x, w, None, 2, name="up", form=form, interleave=interleave)
    )
    graph = run.get_concrete_function(tf.TensorSpec([None, 5, 4, CIN], tf.float64)).graph
    kinds = [op.type for op in graph.get_operations()]
    # Shape and StridedSlice also spell the batch, which nothing uses; Reshape is the interleave.
    assert set(kinds) - {
        "Placeholder",
        "Const",
        "Identity",
        "Reshape",
        "Shape",
        "StridedSlice",
    } == {kind for kind, count in allowed.items() if count}
    assert all(kinds.count(kind) == count for kind, count in allowed.items() if count)
    computed = [
        op.name for op in graph.get_operations() if op.type not in ("Placeholder", "Identity")
    ]
    assert all(name.startswith("up/") for name in computed)
    planned = sd.plan((5, 4), KERNEL[:2], 2, form=form)
    shapes = {tuple(op.inputs[1].shape) for op in graph.get_operations() if op.type == "Conv2D"}
    stacked = {(*c.kernel_size, CIN, COUT * len(c.phases)) for c in planned.convolutions}
    assert shapes == stacked
    assert all(
        op.inputs[1].op.type == "Const" for op in graph.get_operations() if op.type == "Conv2D"
    )


def test_filters_given_as_tensors_stay_trainable_in_a_graph():
    x, w = data(2)
    variable = tf.Variable(w)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(sd.conv2d_transpose(x, variable, None, 2) ** 2)
        return loss, tape.gradient(loss, variable)

    loss, gradient = step(tf.constant(x))
    variable.assign_sub(1e-3 * gradient)
    assert step(tf.constant(x))[0] < loss


@pytest.mark.parametrize("compiled", [False, True])
def test_output_shape_known_when_run(compiled):
    """As a tensor it may be known in full, in part or not at all; what was assumed is checked."""
    x, w = data(2)
    default = definition(x, w)
    everything = tf.TensorSpec([None, None, None, CIN], tf.float64)

    @tf.function(input_signature=[everything, tf.TensorSpec([4], tf.int32)], jit_compile=compiled)
    def unknown(x, shape):
        return sd.conv2d_transpose(x, w, shape, STRIDES[:2])

    @tf.function(input_signature=[everything], jit_compile=compiled)
    def partly(x):
        return sd.conv2d_transpose(x, w, tf.stack([tf.shape(x)[0], 10, 12, COUT]), STRIDES[:2])

    np.testing.assert_allclose(unknown(x, [2, 10, 12, COUT]), default, rtol=0, atol=1e-13)
    np.testing.assert_allclose(partly(x), default, rtol=0, atol=1e-13)
    assert partly.get_concrete_function().output_shapes.as_list() == [None, 10, 12, COUT]
    for wrong in (
        [2, 9, 12, COUT],
        [2, 12, 10, COUT],
        [3, 10, 12, COUT],
        [2, 10, 12, 2 * COUT],
        [2, 10, 6, 2 * COUT],
    ):
        # XLA, which knows no assertions, words it differently.
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=None if compiled else "output_shape is not the default",
        ):
            unknown(x, wrong)
    with pytest.raises(tf.errors.InvalidArgumentError):
        partly(x[:, :4])


def test_output_shape_known_when_traced_is_planned_with():
    """A size other than the default, from a tensor whose batch only is dynamic."""
    x, w = data(2)

    @tf.function(input_signature=[tf.TensorSpec([None, 5, 4, CIN], tf.float64)])
    def run(x):
        return sd.conv2d_transpose(x, w, [tf.shape(x)[0], 9, 11, COUT], STRIDES[:2])

    np.testing.assert_allclose(run(x), definition(x, w, output_shape=(9, 11)), rtol=0, atol=1e-13)
    for kind in (tf.TensorShape, np.array, lambda shape: tf.constant(shape, tf.int64)):
        y = sd.conv2d_transpose(x, w, kind([2, 9, 11, COUT]), STRIDES[:2])
        np.testing.assert_allclose(y, definition(x, w, output_shape=(9, 11)), rtol=0, atol=1e-13)


TRACED = """
import numpy as np, tensorflow as tf, splitdeconv as sd
w = np.ones((3, 3, 2, 1), np.float32)
for form in ("split", "rows", "stacked", "paper", "nzp", "native"):
    tf.function(lambda x: sd.conv2d_transpose(x, w, None, 2, form=form))(tf.ones((1, 4, 4, 1)))
    tf.function(lambda x: sd.apply(sd.plan((4, 4), 3, 2, form=form), x, w))(tf.ones((1, 4, 4, 1)))
print("done")
"""


@pytest.mark.slow
def test_tracing_says_nothing_of_autograph(tmp_path):
    # A file and a process of its own: AutoGraph reads sources, and complains of each function once.
    script = tmp_path / "traced.py"
    script.write_text(TRACED, encoding="utf-8")
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    assert done.stdout == "done\n"
    assert "AutoGraph" not in done.stderr


def test_unknown_rank_and_channels_are_refused_when_traced():
    _, w = data(2)
    run = tf.function(lambda x: sd.conv2d_transpose(x, w, None, 2))
    with refused("input cannot have this shape"):
        run.get_concrete_function(tf.TensorSpec(None, tf.float64))
    with refused("input does not fit the plan"):
        run.get_concrete_function(tf.TensorSpec([None, 5, 4, None], tf.float64))
