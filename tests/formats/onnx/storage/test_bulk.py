"""Large constants: models are copied without them, and written as protobuf writes the whole."""

import numpy as np
import onnx
import pytest

from splitdeconv.convert import job as jobs
from splitdeconv.convert.rewrite import Options
from splitdeconv.convert.task import Convert, Files, Task
from splitdeconv.convert.verify import alone as verify_alone, whole as verify_whole
from splitdeconv.formats.onnx.model import OnnxModel
from splitdeconv.formats.onnx.storage import bulk as onnx_bulk
from splitdeconv.formats.onnx.storage.bulk import light, save
from splitdeconv.formats.recognition.wire import fields
from splitdeconv.formats.site import Decision

from ..models import model, single, value


def large(seed=0):
    """A model of two stored tensors, one of them large, and of much that may follow them."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((16, 16, 5, 5)).astype(np.float32)
    made = single(np.zeros((1, 16, 6, 5), np.float32), w, np.ones(16, np.float32), strides=[2, 2])
    made.graph.doc_string = "of a graph"
    made.graph.value_info.append(value("unused", np.float32, [1]))
    made.metadata_props.add(key="who", value="knows")
    return made


def test_a_light_copy_lacks_the_values_of_large_tensors_only():
    source = large()
    copy = light(source)
    (w, b), (full, bias) = copy.graph.initializer, source.graph.initializer
    assert (w.name, w.data_type, list(w.dims)) == (full.name, full.data_type, list(full.dims))
    assert not w.raw_data
    assert b == bias
    w.raw_data = full.raw_data
    assert copy == source


def test_a_light_copy_looks_into_nodes_and_the_graphs_in_them():
    then, other = (
        onnx.helper.make_graph([constant(n)], n, [], [value(n, np.float32, None)])
        for n in ("t", "e")
    )
    branch = onnx.helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    source = model([branch], [value("c", bool, [])], [value("y", np.float32, None)])
    copy = light(source)
    assert (
        len(copy.SerializeToString())
        < 1000
        < 2 * 4 * (onnx_bulk.SMALL + 1)
        < len(source.SerializeToString())
    )
    for graph in (a.g for a in copy.graph.node[0].attribute):
        assert list(graph.node[0].attribute[0].t.dims) == [onnx_bulk.SMALL + 1]


def constant(name):
    stored = onnx.numpy_helper.from_array(np.zeros(onnx_bulk.SMALL + 1, np.float32))
    return onnx.helper.make_node("Constant", [], [name], value=stored)


@pytest.mark.parametrize("stored", [0, 1, 2])
def test_a_saved_model_is_what_protobuf_writes(tmp_path, stored):
    source = large()
    del source.graph.initializer[stored:]
    whole = source.SerializeToString(deterministic=True)
    tensors = list(source.graph.initializer)
    del source.graph.initializer[:]
    save(source, lambda: tensors, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == whole


@pytest.mark.parametrize("external", [False, True])
def test_what_is_written_is_what_serialize_returns(tmp_path, external):
    path = tmp_path / "model.onnx"
    onnx.save_model(
        large(), path, save_as_external_data=external, location="weights.bin", size_threshold=100
    )
    results = []
    for data in (path.read_bytes(), path):
        parsed = OnnxModel.parse(data, path=str(path))
        (site,) = parsed.sites()
        parsed.apply([Decision(site, "convert", "split", "concat", "test")])
        results.append(parsed)
    results[1].write(tmp_path / "written")
    assert (tmp_path / "written").read_bytes() == results[0].serialize()


def test_sites_hold_no_large_tensor_once_they_let_go():
    parsed = OnnxModel.parse(large())
    (site,) = parsed.sites()
    node = site.key.node
    parsed.apply([Decision(site, "convert", "split", "concat", "test")])
    parsed.let_go()
    assert site.key.node == node
    assert not site.key.scope.initializers["w"].raw_data
    assert site.key.scope.initializers["b"].raw_data
    assert (site.key.weights, site.key.bias) == (None, None)


def test_the_fields_of_a_message_follow_one_another():
    data = large().SerializeToString()
    assert [number for number, *_ in fields(data)] == [1, 7, 8, 14]


def test_large_models_are_verified_by_their_files(tmp_path, monkeypatch):
    loaded = []
    true = verify_whole.Entry.__init__

    def watch(self, ours, theirs, pair, *rest):
        loaded.append((type(pair.original), type(pair.converted)))
        true(self, ours, theirs, pair, *rest)

    monkeypatch.setattr(verify_whole.Entry, "__init__", watch)
    monkeypatch.setattr(verify_alone, "SMALL", 0)
    monkeypatch.setattr(verify_whole, "SMALL", 0)
    path = tmp_path / "model.onnx"
    onnx.save_model(large(), path)
    task = Task(Convert(Options(), samples=2), Files(path, "m", beside=path))
    report = jobs.run(task, tmp_path)
    assert report["verification"]["passed"]
    assert len(loaded) == 2
    assert {kind.__name__ for kinds in loaded for kind in kinds} == {type(path).__name__}
