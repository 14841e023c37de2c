"""Constants behind the flatbuffer, as in files above 2 GB: read, rewritten, written inside."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.formats.tflite.arena import arena_peak
from splitdeconv.formats.tflite.flatbuffer import file as tflite_file
from splitdeconv.formats.tflite.flatbuffer.file import read, view
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Builder,
    Deconv,
    convert,
    deconv_model,
    make,
    operators,
    pack,
    run,
    unpack,
)
from tests.refusals import refused

BASE = Deconv(sizes=(7, 5), kernel=(5, 4), strides=(2, 3), cin=6, cout=9, batch=2)
KINDS = ("float32", "int8", "float32x8", "float16")
PLACEHOLDER = 1 << 40  # as large a field as the true offset takes


def outside(data, names=None, align=16, tail=b""):
    """The file with the constants of some tensors (all by default) behind its flatbuffer."""
    model = unpack(data)
    tensors = [t for graph in model.subgraphs for t in graph.tensors]
    chosen = {t.buffer for t in tensors if names is None or t.name.decode() in names} - {0}
    held = {
        i: bytes(model.buffers[i].data) for i in sorted(chosen) if model.buffers[i].data is not None
    }
    for i, part in held.items():
        model.buffers[i].data, model.buffers[i].offset, model.buffers[i].size = (
            None,
            PLACEHOLDER,
            len(part),
        )
    body = bytearray(len(pack(model)))
    for i, part in held.items():
        body += bytes(-len(body) % align)
        model.buffers[i].offset = len(body)
        body += part
    head = pack(model)
    return head + bytes(body[len(head) :]) + tail


def moved(case, names=None, **more):
    """A case's file, the same with constants outside, and its input."""
    data = deconv_model(case)
    return data, outside(data, names, **more), case.input()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [None, {"weights"}, {"bias"}, {"shape"}])
def test_it_is_rewritten_as_the_same_file_with_all_inside(kind, names):
    data, file, x = moved(BASE.with_(kind=kind), names)
    assert file != data
    np.testing.assert_array_equal(run(file, x), run(data, x))  # the interpreter reads it so
    for form in ("split", "rows", "stacked"):
        assert convert(file, form) == convert(data, form)


@pytest.mark.parametrize("kind", KINDS)
def test_values_agree_on_every_family_of_kernels(kind):
    _, file, x = moved(BASE.with_(kind=kind, sizes=(4, 6), kernel=(3, 7)))
    rewritten = convert(file)
    assert "TRANSPOSE_CONV" not in operators(rewritten)
    for kernels in (XNNPACK, OPTIMIZED, REFERENCE):
        y, z = (run(model, x, kernels=kernels).astype("f8") for model in (file, rewritten))
        assert np.abs(y).max() > 1
        # The optimized TRANSPOSE_CONV rounds some int8 results to the step beside.
        steps = 1 if kernels == OPTIMIZED else 0
        np.testing.assert_allclose(
            z, y, rtol=0, atol=steps if kind == "int8" else 2e-5 * np.abs(y).max()
        )


def test_what_is_public_takes_it(tmp_path):
    path = tmp_path / "model.tflite"
    case = BASE.with_(kernel=(4, 4), strides=(2, 2))
    _, file, x = moved(case)
    path.write_bytes(file)
    result = sd.convert(path)
    assert result.report.verification.passed
    assert result.report.bytes_before == len(file)
    assert all(buffer.offset == 0 for buffer in unpack(result.model).buffers)
    np.testing.assert_allclose(run(result.model, x), run(file, x), rtol=0, atol=1e-5)
    assert sd.inspect(path)["verdict"].tolist() == ["convert"]
    assert bool(sd.verify(path, result.model))
    assert arena_peak(file) == arena_peak(deconv_model(case))


def unrelated():
    """A transposed convolution, and constants of other operators: its file, and an input."""
    rng, b = np.random.default_rng(4), Builder()
    shapes = ("x", (1, 3, 2, 5)), ("y", (1, 6, 4, 3)), ("z", (1, 7)), ("u", (1, 7))
    x, y, z, u = (b.tensor(name, shape, "f4") for name, shape in shapes)
    w = b.constant("w", rng.standard_normal((3, 4, 4, 5), np.float32))
    s = b.constant("s", np.array([1, 6, 4, 3], "<i4"))
    m = b.constant("m", rng.standard_normal((7, 72), np.float32))
    more = b.constant("more", rng.standard_normal((1, 7), np.float32))
    options = make("TransposeConvOptions", strideH=2, strideW=2, padding=0)
    b.operator("TRANSPOSE_CONV", [s, w, x], [y], options)
    b.operator("FULLY_CONNECTED", [y, m, -1], [z], make("FullyConnectedOptions"))
    b.operator("ADD", [z, more], [u], make("AddOptions"))
    return b.build([x], [u]), rng.standard_normal((1, 3, 2, 5), np.float32)


@pytest.mark.parametrize("names", [{"m"}, {"m", "more"}, {"w", "m"}, None])
@pytest.mark.parametrize("align", [1, 64])
def test_constants_of_other_operators_may_lie_outside(names, align):
    data, x = unrelated()
    file = outside(data, names, align)
    assert convert(file) == convert(data)
    np.testing.assert_allclose(run(convert(file), x), run(data, x), rtol=0, atol=1e-5)


def test_what_is_appended_stays_appended():
    data, x = unrelated()
    model, tail = read(outside(data, tail=b"labels"), "it")
    assert tail == b"labels"
    assert tflite_file.write(model, tail).endswith(b"labels")
    assert read(outside(data, tail=bytes(5)), "it")[1] == b""
    assert [len(view(b)) for b in model.buffers] == [
        len(view(b)) for b in read(data, "it")[0].buffers
    ]
    np.testing.assert_array_equal(run(tflite_file.write(model, tail), x), run(data, x))


def test_an_offset_of_one_is_none():
    data, x = unrelated()
    model = unpack(data)
    model.buffers[0].offset, model.buffers[0].size = 1, 1  # as exporters mark what has no data
    file = pack(model)
    np.testing.assert_array_equal(run(file, x), run(data, x))
    assert convert(file) == convert(data)


@pytest.mark.parametrize("more", [1, 10**6, 2**63])
def test_parts_beyond_the_file_are_damage(more):
    model = unpack(outside(unrelated()[0], {"m"}))
    buffer = next(b for b in model.buffers if b.offset)
    buffer.offset += more
    with refused(
        r"the TFLite file is damaged(.|\n)*buffer \d refers to bytes [\d,]+ to [\d,]+, but"
    ):
        TFLiteModel.parse(pack(model) + bytes(buffer.size))


def test_data_in_other_files_is_refused():
    model = unpack(deconv_model(BASE))
    model.externalBufferGroups = [make("ExternalBufferGroup", name=b"weights.bin")]
    with refused("stores data in other files"):
        TFLiteModel.parse(pack(model))


def test_options_of_a_custom_operator_may_lie_outside():
    options = bytes(range(1, 60))
    model = unpack(_custom(options))
    operator = model.subgraphs[0].operators[1]
    operator.customOptions, operator.largeCustomOptionsSize = None, len(options)
    operator.largeCustomOptionsOffset = PLACEHOLDER
    operator.largeCustomOptionsOffset = len(pack(model))
    rewritten = unpack(convert(pack(model) + options))
    assert [
        bytes(o.customOptions)
        for o in rewritten.subgraphs[0].operators
        if o.customOptions is not None
    ] == [options]
    assert all(o.largeCustomOptionsOffset == 0 for o in rewritten.subgraphs[0].operators)


def _custom(options):
    rng, b = np.random.default_rng(5), Builder()
    x, y, z = (
        b.tensor(name, shape, "f4")
        for name, shape in (("x", (1, 3, 3, 2)), ("y", (1, 6, 6, 4)), ("z", (4,)))
    )
    w = b.constant("w", rng.standard_normal((4, 2, 2, 2), np.float32))
    s = b.constant("s", np.array([1, 6, 6, 4], "<i4"))
    layer = make("TransposeConvOptions", strideH=2, strideW=2, padding=1)
    b.operator("TRANSPOSE_CONV", [s, w, x], [y], layer)
    b.operator("Someones", [y], [z], custom=options)
    return b.build([x], [z])


def test_three_dimensions_are_refused_for_what_they_are():
    rng, b = np.random.default_rng(6), Builder()
    x, y = b.tensor("x", (1, 2, 3, 2, 4), "f4"), b.tensor("y", (1, 4, 6, 4, 3), "f4")
    w = b.constant("w", rng.standard_normal((2, 2, 2, 3, 4), np.float32))
    s = b.constant("s", np.array([1, 4, 6, 4, 3], "<i4"))
    options = make("Conv3DOptions", strideD=2, strideH=2, strideW=2, padding=1)
    b.operator("CONV_3D_TRANSPOSE", [s, w, x], [y], options)
    data = b.build([x], [y])
    for file in (data, outside(data)):
        with refused(
            r"no transposed convolution of the model can be converted(.|\n)*three dimensions"
        ):
            sd.convert(file)


def test_a_constant_outside_that_a_caller_may_set_is_run_from_memory(tmp_path):
    rng, b = np.random.default_rng(7), Builder()
    x, y = b.tensor("x", (1, 2, 2, 3), "f4"), b.tensor("y", (1, 4, 4, 2), "f4")
    w = b.constant("w", rng.standard_normal((2, 2, 2, 3), np.float32))
    c = b.constant("c", rng.standard_normal((1, 4, 4, 2), np.float32))
    s = b.constant("s", np.array([1, 4, 4, 2], "<i4"))
    t = b.tensor("t", (1, 4, 4, 2), "f4")
    options = make("TransposeConvOptions", strideH=2, strideW=2, padding=1)
    b.operator("TRANSPOSE_CONV", [s, w, x], [t], options)
    b.operator("ADD", [t, c], [y], make("AddOptions"))
    path = tmp_path / "model.tflite"
    path.write_bytes(outside(b.build([x, c], [y]), {"c"}))
    before = path.read_bytes()
    assert sd.convert(path).report.verification.passed
    assert path.read_bytes() == before
