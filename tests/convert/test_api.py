"""sd.inspect and sd.convert: what goes in, what comes out, what is written."""

import os

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.convert import api as front
from tests.formats.tflite.models import Builder, Deconv, deconv_model, operators, run
from tests.refusals import refused

CASE = Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6)
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "in" / "up.tflite"
    path.parent.mkdir()
    path.write_bytes(deconv_model(CASE))
    return path


def no_deconv():
    """A model with one RELU."""
    builder = Builder()
    x, y = builder.tensor("x", (1, 4), "f4"), builder.tensor("y", (1, 4), "f4")
    builder.operator("RELU", [x], [y])
    return builder.build([x], [y])


def test_inspect_has_a_row_per_transposed_convolution(path):
    (row,) = sd.inspect(path).to_dict("records")
    plan = sd.plan((6, 5), (5, 4), 2)
    identity = [row[name] for name in ("name", "operator", "dtype", "groups")]
    assert identity == ["picture", "TRANSPOSE_CONV", "float32", 1]
    assert {name: row[name] for name in plan.macs(5, 6)} == plan.macs(5, 6)
    assert (row["verdict"], row["form"], row["batch"]) == ("convert", "split", 1)
    assert row["geometry"] == ", ".join(map(str, plan.axes))
    assert "form split by default" in row["reason"]


def test_inspect_of_nothing_has_the_columns():
    frame = sd.inspect(no_deconv())
    assert len(frame) == 0
    assert {"name", "useful", "verdict", "reason"} <= set(frame.columns)


def test_unknown_sizes_are_missing_not_zero():
    frame = sd.inspect(deconv_model(CASE.with_(dynamic=True)))
    assert frame["batch"].isna().all()
    assert frame["useful"].tolist() == [sd.plan((6, 5), (5, 4), 2).macs(5, 6)["useful"]]


@pytest.mark.parametrize("kind", ["path", "text", "bytes"])
def test_a_model_is_converted_and_proved(path, kind):
    model = {"path": path, "text": str(path), "bytes": path.read_bytes()}[kind]
    before = path.read_bytes()
    result = sd.convert(model)
    report = result.report
    assert path.read_bytes() == before
    assert "TRANSPOSE_CONV" not in operators(result.model)
    x = CASE.input()
    np.testing.assert_allclose(run(result.model, x), run(before, x), rtol=1e-5, atol=1e-5)
    assert report.verification
    assert (report.format, report.target, report.converted) == ("tflite", "generic", 1)
    assert report.operators_before == {"TRANSPOSE_CONV": 1}
    assert report.operators_after["CONV_2D"] == 4
    assert (report.bytes_before, report.bytes_after) == (len(before), len(result.model))
    assert 0 < report.arena_before < report.arena_after


def test_the_same_model_gives_the_same_bytes(path):
    assert (
        sd.convert(path).model
        == sd.convert(path).model
        == sd.convert(path.read_bytes(), verify=False).model
    )


@pytest.mark.parametrize("form", ["split", "rows", "stacked"])
def test_the_form_asked_for_is_taken(path, form):
    result = sd.convert(path, form=form, interleave="transpose")
    (decision,) = result.report.decisions
    assert (decision.form, decision.interleave) == (form, "transpose")
    assert operators(result.model).count("CONV_2D") == {"split": 4, "rows": 2, "stacked": 1}[form]


def test_layers_that_are_not_selected_stay(path):
    result = sd.convert(path, layers="^nothing$")
    assert result.model == path.read_bytes()
    assert "none of the 1 transposed convolution(s) was converted" in result.report.notes[0]


def test_a_model_without_any_comes_back_identical():
    model = no_deconv()
    result = sd.convert(model)
    assert result.model == model
    assert result.report.notes == (
        "the model contains no transposed convolution: nothing to convert",
    )
    assert result.report.verification is None


def test_a_batch_is_fixed():
    result = sd.convert(deconv_model(CASE.with_(dynamic=True)), static_batch=3)
    assert result.report.verification
    assert {"SHAPE", "PACK"} & set(operators(result.model)) == set()
    assert run(result.model, CASE.input(3)).shape == (3, 12, 10, 6)


def test_a_batch_is_fixed_without_anything_to_convert():
    model = deconv_model(CASE.with_(dynamic=True))
    result = sd.convert(model, static_batch=2, layers="^nothing$")
    assert result.report.converted == 0
    assert run(result.model, CASE.input(2)).shape == (2, 12, 10, 6)


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "2"])
def test_a_batch_is_a_positive_integer(path, batch):
    with refused("the batch must be a positive integer"):
        sd.convert(path, static_batch=batch)


@pytest.mark.parametrize("batch", [2**31, 2**64])
def test_a_batch_that_no_format_holds_is_refused_as_an_argument(path, batch):
    with refused("the batch is too large") as caught:
        sd.convert(path, static_batch=batch)
    assert (caught.value.where, caught.value.got) == ("static_batch", f"{batch:,}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "native"}, "unknown form"),
        ({"interleave": "zip"}, "unknown interleave"),
        ({"target": "toaster"}, "unknown target"),
        ({"layers": "("}, "invalid layer pattern"),
        ({"samples": 0}, "number of samples must be a positive integer"),
    ],
)
def test_illegal_options_are_refused(path, options, message):
    with refused(message):
        sd.convert(path, **options)


def test_a_target_of_ones_own(path, tmp_path, monkeypatch):
    text = "{name: board, title: B, formats: [onnx], others: unknown, others_source: a letter}"
    (tmp_path / "board.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with refused("the target board does not read tflite models"):
        sd.convert(path, target="board.yaml")
    rules = (
        "others: refused, types: [int8], types_source: its manual, static_shapes: true, "
        "static_source: its manual"
    )
    text = text.replace("onnx", "tflite").replace("others: unknown", rules)
    (tmp_path / "board.yaml").write_text(text.replace("a letter", "a letter, notes: [beware]"))
    report = sd.convert(deconv_model(CASE.with_(dynamic=True)), target="board.yaml").report
    assert report.target == "board"
    objected = [name for name, _ in report.objections]
    assert objected == ["CONCATENATION", "CONV_2D", "DEPTH_TO_SPACE", "PAD"]
    assert report.notes == (
        "beware",
        "board supports int8; the model computes in float32 (its manual)",
        "board needs fixed shapes (its manual); --static-batch 1 fixes the batch",
    )


def test_notes_advise_what_fixes_everything_that_is_open(tmp_path):
    (tmp_path / "board.yaml").write_text(
        "{name: board, title: B, formats: [tflite], others: unknown, others_source: a letter, "
        "static_shapes: true, static_source: its manual, notes: [set the batch (--static-batch 1)]}"
    )
    model = deconv_model(CASE.with_(dynamic=True, open_image=True))
    notes = front.report(model, tmp_path / "board.yaml").notes
    way = f"--input-shape image=1x64x64x{CASE.cin}"
    assert notes == (
        f"set the batch ({way})",
        f"board needs fixed shapes (its manual); {way} fixes them",
    )
    shape = (1, 6, 5, CASE.cin)
    fixed = sd.convert(model, target=tmp_path / "board.yaml", input_shape=shape).report.notes
    assert fixed == (
        f"input image is now fixed at 1x6x5x{CASE.cin} (was ?x?x?x{CASE.cin})",
        "set the batch (--static-batch 1)",
    )


def test_own_inputs_are_of_the_fixed_shape():
    model = deconv_model(CASE.with_(dynamic=True, open_image=True))
    shapes, right = {"image": (1, 7, 4, CASE.cin)}, np.ones((2, 1, 7, 4, CASE.cin), "f4")
    result = sd.convert(model, input_shape=shapes, inputs={"image": right})
    assert result.report.verification.samples == 2
    with refused("the inputs do not fit the model: shape of 'image'"):
        sd.convert(model, input_shape=shapes, inputs={"image": right[:, :, :6]})


def test_inspect_objects_to_the_rest_of_the_model_only(path, tmp_path):
    target = tmp_path / "b.yaml"
    text = (
        "{name: b, title: B, formats: [tflite], others: refused, others_source: a letter, "
        "operators: {}}"
    )
    target.write_text(text)
    assert front.report(path, target).objections == ()
    assert [name for name, _ in front.report(no_deconv(), target).objections] == ["RELU"]
    leaves = text.replace("operators: {}", "leave: [{reason: r, source: s, when: {rank: [2, 2]}}]")
    target.write_text(leaves)
    assert [name for name, _ in front.report(path, target).objections] == ["TRANSPOSE_CONV"]


def refusing_model():
    """A transposed convolution whose weights are an input of the graph."""
    from tests.formats.tflite.models import schema

    builder = Builder()
    x, w = builder.tensor("x", (1, 4, 4, 3), "f4"), builder.tensor("w", (2, 3, 3, 3), "f4")
    shape = builder.constant("shape", np.array([1, 8, 8, 2], "<i4"))
    y = builder.tensor("y", (1, 8, 8, 2), "f4")
    options = schema.TransposeConvOptionsT(padding=schema.Padding.SAME, strideH=2, strideW=2)
    builder.operator("TRANSPOSE_CONV", [shape, w, x], [y], options)
    return builder.build([x, w], [y])


def test_a_model_of_refused_layers_only_is_refused():
    (row,) = sd.inspect(refusing_model()).to_dict("records")
    assert row["verdict"] == "refuse"
    with refused("no transposed convolution of the model can be converted") as caught:
        sd.convert(refusing_model())
    assert caught.value.got == row["reason"]


def test_a_wrong_result_is_never_returned(path, monkeypatch):
    from splitdeconv.formats.tflite import model as tflite

    def spoil(self):
        """The original with one weight changed by a hundredth of the greatest."""
        data = bytearray(original(self))
        weights = np.frombuffer(data, "f4", offset=0, count=len(data) // 4)
        candidates = np.flatnonzero((np.abs(weights) > 0.5) & (np.abs(weights) < 4))
        weights = weights.copy()
        weights[candidates[len(candidates) // 2]] *= 1.01
        return weights.tobytes() + bytes(data[weights.nbytes :])

    original = tflite.TFLiteModel.serialize
    monkeypatch.setattr(
        tflite.TFLiteModel, "write", lambda self, path: path.write_bytes(spoil(self))
    )
    with refused("does not compute the same as the original; it was not written") as caught:
        sd.convert(path)
    assert "output picture" in caught.value.where
    assert sd.convert(path, verify=False).report.verification is None


def test_save_writes_the_whole_file_or_none(path, tmp_path):
    result = sd.convert(path)
    out = tmp_path / "out.tflite"
    assert result.save(out) == out
    assert out.read_bytes() == result.model
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["out.tflite"]
    mask = os.umask(0)
    os.umask(mask)
    assert out.stat().st_mode & 0o777 == 0o666 & ~mask


def test_save_does_not_overwrite_unless_told(path):
    result, before = sd.convert(path), path.read_bytes()
    with refused("the output cannot be written") as caught:
        result.save(path)
    assert caught.value.got == "a file that is already there"
    assert path.read_bytes() == before
    result.save(path, overwrite=True)
    assert path.read_bytes() == result.model


def test_save_refuses_folders(path, tmp_path):
    result = sd.convert(path)
    with refused("the output cannot be written") as caught:
        result.save(tmp_path / "no" / "such" / "out.tflite")
    assert caught.value.fix.startswith("mkdir -p ")
    with refused("the output cannot be written") as caught:
        result.save(tmp_path)
    assert caught.value.got == "a folder"


def test_a_name_of_another_format_is_refused(path, tmp_path):
    result = sd.convert(path, verify=False)
    for name in ("out.onnx", "out.KERAS"):
        with refused("the output cannot be written") as caught:
            result.save(tmp_path / name)
        assert caught.value.got == f"one that ends in {name[3:].lower()}"
        assert caught.value.fix.startswith("name it out.tflite")
    assert not list(tmp_path.glob("out*"))
    assert result.save(tmp_path / "out.bin").is_file()
