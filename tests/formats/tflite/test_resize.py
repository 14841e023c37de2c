"""A converted .tflite file follows `resize_tensor_input` wherever the original does."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import splitdeconv as sd
from splitdeconv.core.forms import FILE_FORMS
from splitdeconv.formats.tflite.model import TFLiteModel
from tests.formats.tflite.cases import CASES
from tests.formats.tflite.models import (
    OPTIMIZED,
    REFERENCE,
    XNNPACK,
    Deconv,
    convert,
    deconv_model,
    edit,
    on_xnnpack,
    operators,
    run,
    unpack,
)

FORMS = FILE_FORMS
FREE = ("depth_to_space", "batch_to_space")
# At every size: the shortest images have no pixel beyond a kernel's border.
SIZES = [(1, (5, 4)), (3, (5, 4)), (2, (7, 3)), (1, (2, 9)), (4, (11, 8))]
CASE = Deconv(sizes=(5, 4), kernel=(5, 3), strides=(2, 2), cin=3, cout=4)


def _resized(data, x):
    """The output of a model that was first loaded and then resized, by LiteRT's default runtime."""
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (port,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(port["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(port["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _agrees(case, data, rewritten, batch, sizes):
    """Whether both files give the same for an input of another size."""
    x = case.input(batch, sizes)
    y, z = (_resized(model, x) for model in (data, rewritten))
    assert y.shape == z.shape
    exact = case.kind in ("int8", "uint8")
    return np.abs(y.astype("f8") - z).max() <= (0 if exact else 2e-6 * max(1, np.abs(y).max()))


def _fails(data, x):
    try:
        _resized(data, x)
    except (RuntimeError, ValueError):
        return True
    return False


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "uint8", "float32x8"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("interleave", [*FREE, "concat", "transpose"])
def test_a_file_of_fixed_size_is_resized(kind, form, interleave):
    case = CASE.with_(kind=kind)
    data = deconv_model(case)
    rewritten = convert(data, form, interleave)
    for batch, sizes in SIZES:
        if interleave in FREE or sizes == case.sizes:
            assert _agrees(case, data, rewritten, batch, sizes), (batch, sizes)
        else:
            # The control: what the report says of such files.
            assert _fails(rewritten, case.input(batch, sizes))
            assert not _fails(data, case.input(batch, sizes))


@pytest.mark.parametrize("part", range(4))
def test_every_geometry_is_resized(part):
    """Crops, slices of the input, surplus blocks, unequal strides: all count from the ends."""
    seen = 0
    for case in CASES[part::4]:
        data = deconv_model(case)
        if not on_xnnpack(data):  # other kernels keep to the shape that the file asks for
            continue
        n, m = case.sizes
        for form in FORMS:
            if form == "stacked" and case.sizes == (
                1,
                1,
            ):  # of such a map's plan the report says so
                continue
            rewritten = convert(data, form, "batch_to_space")
            for batch, sizes in (
                (case.batch + 1, (n, m)),
                (1, (n + 3, m + 1)),
                (2, (n + 1, m + 4)),
            ):
                assert _agrees(case, data, rewritten, batch, sizes), (case, form, sizes)
                seen += 1
    assert seen >= 100


@pytest.mark.parametrize("kernels", [XNNPACK, OPTIMIZED, REFERENCE])
@pytest.mark.parametrize("kind", ["float32", "int8", "uint8", "int16x8", "float32x8"])
@pytest.mark.parametrize("form", FORMS)
def test_batch_to_space_gives_the_values(kind, form, kernels):
    """On other geometries than the interleaves that are chosen by default."""
    for case in (
        CASE.with_(strides=(2, 3), batch=2, kind=kind),
        CASE.with_(kernel=(2, 1), strides=(3, 4), kind=kind),
    ):
        data, x = deconv_model(case), case.input()
        y, z = (run(m, x, kernels=kernels) for m in (data, convert(data, form, "batch_to_space")))
        steps = np.abs(y.astype("f8") - z).max()
        if kind in ("float32", "float32x8"):
            assert steps <= 2e-6 * np.abs(y).max()
        else:
            # XNNPACK does not take every geometry, and other kernels round int8 apart by one step.
            assert steps <= (0 if kernels is REFERENCE or kind == "int16x8" else 1)


@pytest.mark.slow
def test_what_converts_by_default_is_resized(here):
    """Of strides that are one, and that are not."""
    for case in (
        CASE,
        CASE.with_(strides=(2, 3)),
        CASE.with_(sizes=(1, 9), kernel=(1, 8), strides=(1, 4)),
    ):
        data = deconv_model(case)
        result = sd.convert(data)
        assert not any("resize" in note for note in result.report.notes)
        n, m = case.sizes
        for batch, sizes in ((3, (n, m)), (1, (n, m + 2)), (2, (n + 2, m + 1))):
            assert _agrees(case, data, result.model, batch, sizes)


@pytest.mark.slow
@pytest.mark.parametrize("interleave", ["concat", "transpose"])
def test_a_size_that_is_fixed_is_told_before_it_is_written(interleave, here):
    (note,) = sd.convert(deconv_model(CASE), interleave=interleave).report.notes
    assert f"interleave {interleave} fixes its input size at 5x4" in note
    assert "use interleave depth_to_space or batch_to_space" in note
    wide = CASE.with_(strides=(2, 3))
    (note,) = sd.convert(deconv_model(wide), interleave=interleave).report.notes
    assert "use interleave batch_to_space;" in note


@pytest.mark.parametrize("kind", ["float32", "int8", "int16x8", "uint8", "float16", "float32x8"])
@pytest.mark.parametrize("dynamic", [True, False])
def test_an_open_image_is_converted(kind, dynamic, here):
    """The output's lengths follow from the input's; all kernels of LiteRT run both files."""
    for padding, kernel, strides in (
        ("SAME", (4, 3), (2, 2)),
        ("VALID", (3, 5), (2, 3)),
        ("VALID", (1, 2), (2, 2)),
    ):
        case = CASE.with_(
            kernel=kernel,
            strides=strides,
            padding=padding,
            kind=kind,
            open_image=True,
            dynamic=dynamic,
        )
        data = deconv_model(case)
        (site,) = TFLiteModel.parse(data).sites()
        assert site.problem is None
        assert [axis.n for axis in site.axes] == [None, None]
        assert set(site.interleaves) <= set(FREE)
        for form in FORMS:
            rewritten = convert(data, form, site.interleaves[0])
            assert "TRANSPOSE_CONV" not in operators(rewritten)
            for batch, sizes in SIZES if dynamic else ((1, (6, 3)), (1, (9, 9))):
                for kernels in (OPTIMIZED, REFERENCE):
                    x = case.input(batch, sizes)
                    y, z = (run(model, x, kernels=kernels) for model in (data, rewritten))
                    assert y.shape == z.shape
                    gap = np.abs(y.astype("f8") - z).max()
                    floats = kind.startswith("float")
                    assert gap <= (2e-6 * np.abs(y).max() if floats else kernels is OPTIMIZED), (
                        case,
                        form,
                    )


def test_an_open_image_is_delegated_once_converted():
    """What its original is not: a shape that is computed makes its output's size known too late."""
    data = deconv_model(CASE.with_(open_image=True))
    for model, expected in ((data, False), (convert(data, interleave="depth_to_space"), True)):
        interpreter = Interpreter(model_content=model)
        interpreter.resize_tensor_input(0, (1, 6, 7, 3))
        interpreter.allocate_tensors()
        assert ("DELEGATE" in {op["op_name"] for op in interpreter._get_ops_details()}) is expected


def test_new_tensors_state_what_is_open():
    for tensor in (
        unpack(convert(deconv_model(CASE.with_(open_image=True)), interleave="depth_to_space"))
        .subgraphs[0]
        .tensors
    ):
        if tensor.name.startswith(b"picture/split/phase_"):
            assert list(tensor.shape) == [1, 1, 1, 4]
            assert list(tensor.shapeSignature) == [1, -1, -1, 4]


def _site(case, how):
    (site,) = TFLiteModel.parse(edit(deconv_model(case), how)).sites()
    return site


@pytest.mark.parametrize("number", [1, 3])
def test_a_length_that_is_no_multiple_by_the_stride_is_refused(number):
    """The control: a shape that is asked for and that no geometry gives."""

    def other(model, graph):
        (tensor,) = (t for t in graph.tensors if t.name == b"chain/byMUL0")
        model.buffers[tensor.buffer].data = np.array([number], "<i4").view("u1")

    site = _site(CASE.with_(open_image=True), other)
    assert "not computed as the input times the stride" in site.problem


def test_a_length_of_another_axis_is_refused():
    def crossed(model, graph):
        names = {t.name: i for i, t in enumerate(graph.tensors)}
        for operator in graph.operators:
            if operator.outputs[0] == names[b"chain/MUL0"]:
                operator.inputs = np.array([names[b"chain/length2"], operator.inputs[1]], "<i4")

    def ordered(model, graph):
        # Both lengths are measured first.
        crossed(model, graph)
        late = [
            op for op in graph.operators if graph.tensors[op.outputs[0]].name == b"chain/length2"
        ]
        rest = [op for op in graph.operators if op not in late]
        graph.operators = [rest[0], *late, *rest[1:]]

    site = _site(CASE.with_(open_image=True), ordered)
    assert "not computed as the input times the stride" in site.problem


@pytest.mark.parametrize("interleave", ["concat", "transpose"])
def test_interleaves_that_need_a_size_are_refused(interleave, here):
    with pytest.raises(
        sd.SplitDeconvError, match="needs a height and width known before the model runs"
    ):
        sd.convert(deconv_model(CASE.with_(open_image=True)), interleave=interleave)


def test_a_target_that_prefers_them_gets_what_can_be_had(here):
    (decision,) = sd.convert(
        deconv_model(CASE.with_(open_image=True)), target="xnnpack", form="split"
    ).report.decisions
    assert decision.interleave == "depth_to_space"
