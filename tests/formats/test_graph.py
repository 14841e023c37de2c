"""Models as graphs: nodes depend on the inputs, and a conversion's changes stand out."""

import matplotlib.pyplot as plt
import numpy as np
import onnx
import pytest

import splitdeconv as sd
from splitdeconv.formats import graph, topology
from splitdeconv.study.charts import conversion as draw_graph
from tests.formats.tflite.models import Deconv, deconv_model


@pytest.fixture
def model(rng):
    """Relu, a transposed convolution with weights behind an Identity, Sigmoid; an untouched Neg."""
    weights = onnx.numpy_helper.from_array(rng.standard_normal((3, 2, 4, 4), "float32"), "w")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [
        node("Identity", ["w"], ["v"]),
        node("Relu", ["x"], ["a"]),
        node("ConvTranspose", ["a", "v"], ["b"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["b"], ["y"]),
        node("Neg", ["x"], ["n"]),
        node("Exp", ["n"], ["m"]),
    ]
    outputs = [value("y", 1, [1, 2, 10, 12]), value("m", 1, [1, 3, 5, 6])]
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, [1, 3, 5, 6])], outputs, [weights])
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def test_constants_are_no_nodes(model):
    nodes = topology.nodes(model)
    assert [node.operator for node in nodes] == ["Relu", "ConvTranspose", "Sigmoid", "Neg", "Exp"]
    assert nodes[1] == graph.Node("ConvTranspose", ("a",), ("b",))


def test_changes_are_shown_with_their_neighbours(model):
    converted = sd.convert(model, form="split", verify=False).model
    before, after = graph.changed(topology.nodes(model), topology.nodes(converted))
    assert [(node.operator, new) for node, new in before] == [
        ("Relu", False),
        ("ConvTranspose", True),
        ("Sigmoid", False),
    ]
    assert [node.operator for node, new in after if not new] == ["Relu", "Sigmoid"]
    assert sum(node.operator == "Conv" for node, new in after if new) == 4
    wider = graph.changed(topology.nodes(model), topology.nodes(converted), context=0)[0]
    assert [node.operator for node, _ in wider] == ["ConvTranspose"]


def test_the_picture_holds_every_operator_and_edge(model):
    converted = sd.convert(model, form="split", verify=False).model
    fig, table = draw_graph.before_after(model, converted)
    left, right = fig.get_axes()
    names = [text.get_text() for text in left.texts if text.get_text()]
    assert sorted(names) == ["ConvTranspose", "Relu", "Sigmoid"]
    assert table.query("side == 'before'").set_index("operator")["depth"].to_dict() == {
        "Relu": 0,
        "ConvTranspose": 1,
        "Sigmoid": 2,
    }
    # Texts with a name are operators; the empty ones are arrows.
    assert len([text for text in left.texts if not text.get_text()]) == 2
    assert right.get_title() == f"after: {(table['side'] == 'after').sum()} operators"
    places = [text.get_position() for text in right.texts if text.get_text()]
    assert len(set(places)) == len(places)
    assert np.isfinite(places).all()
    plt.close("all")


def test_other_things_are_refused():
    with pytest.raises(sd.SplitDeconvError, match="unsupported model format"):
        topology.nodes(b"nonsense")


def test_nothing_changed_is_an_empty_picture():
    model = deconv_model(Deconv())
    fig, table = draw_graph.before_after(model, model)
    assert [ax.get_title() for ax in fig.axes] == ["before: 0 operators", "after: 0 operators"]
    assert table.columns.tolist() == ["side", "operator", "depth", "changed"]
    assert table.empty
