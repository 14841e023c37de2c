"""Honest programs are read, whatever their texts; what others may cost is bounded."""

import io
import json
import re
import zipfile

import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.formats.pt2.archive import file, operators, texts
from tests.formats.pt2.archives_torch import edited, program
from tests.formats.pt2.programs_torch import Decoder, export, run
from tests.refusals import refused

pytestmark = pytest.mark.usefixtures("here")
MODEL = r"models/model\.json"
RAN = '"); open("ran", "w"); torch._assert(True, "'


@pytest.fixture(scope="module")
def content():
    """The file of a program with open axes."""
    return file.save(export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2)))


class Up(nn.Module):
    """One layer, of 2 to 3 channels, behind whatever a test needs."""

    def __init__(self, before):
        super().__init__()
        self.up = nn.ConvTranspose1d(2, 3, 4, 2)
        self._before = before

    def forward(self, *given):
        return self.up(self._before(*given))


def test_operators_of_pytorch_s_own_libraries_are_known():
    names = torch._C._dispatch_get_all_op_names()
    own = [name.split("::") for name in names if name.startswith(("aten::", "prims::"))]
    targets = [f"torch.ops.{a}.{b if '.' in b else b + '.default'}" for a, b in own]
    unknown = {name.split(".")[3] for name in targets if not operators.is_operator(name)}
    assert {"from_file", "_sparse_coo_tensor_unsafe", "segment_reduce", "_print"} <= unknown
    usual = {"add", "__and__", "_unsafe_view", "conv_transpose2d", "einsum", "_assert_scalar"}
    assert not usual & unknown
    assert len(unknown) < 100 < 2000 < len(targets)


@pytest.mark.parametrize(
    "call",
    [
        "torch.ops.aten._sparse_coo_tensor_unsafe.default",  # writes wherever indices point
        "torch.ops.aten.segment_reduce.default",
        "torch.ops.aten.save.default",  # of TorchScript alone
        "torch.ops.mine.anything.default",
    ],
)
def test_an_operator_that_is_not_called_is_named(content, call):
    def planted(tree):
        tree["graph_module"]["graph"]["nodes"][0]["target"] = call

    with refused("calls an operator that is not read from files") as caught:
        sd.inspect(edited(content, MODEL, program(planted)))
    assert call in caught.value.got
    assert "run_decompositions" in caught.value.fix


HONEST = {
    "sizes of values": (
        lambda x, mask: x[mask.nonzero().squeeze(1)],
        (torch.randn(5, 2, 5), torch.tensor([1, 0, 1, 1, 1])),
    ),
    "a key with a slash": (
        lambda d: d["encoder/out:0"],
        ({"encoder/out:0": torch.randn(3, 2, 5)},),
    ),
    "numbers as keys": (lambda d: d[3] * d[-1], ({3: torch.randn(1, 2, 5), -1: torch.ones(1)},)),
    "bits": (lambda x, m: x * (m & 1 | 2), (torch.randn(1, 2, 5), torch.tensor([3]))),
}


@pytest.mark.parametrize("name", HONEST)
def test_a_file_that_pytorch_writes_is_read(name):
    before, given = HONEST[name]
    original = torch.export.export(Up(before).eval(), given)
    kept = sd.convert(file.save(original), verify=False).model
    again = sd.convert(kept, verify=False)  # a converted file is a file as well
    assert again.report.converted == 0
    torch.testing.assert_close(run(kept, *given), original.module()(*given), rtol=1e-5, atol=1e-5)


def test_a_message_may_hold_quotes():
    def checked(x):
        torch._check(x.sum().item() > -1e9, lambda: 'don\'t use "nothing"')
        return x

    given = torch.randn(2, 2, 5)
    original = torch.export.export(Up(checked).eval(), (given,))
    kept = sd.convert(file.save(original), verify=False).model
    torch.testing.assert_close(run(kept, given), original.module()(given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "guard", [f"b'x{RAN}' != 1", f"L['x{RAN}'] == 1", "L['x'].size()[0] == 1j", "... == 1"]
)
def test_a_condition_holds_numbers_and_plain_keys_only(content, guard, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def planted(tree):
        tree["guards_code"] = [guard]

    with refused("holds code, which is never run"):
        sd.convert(edited(content, MODEL, program(planted)))
    assert not list(tmp_path.iterdir())


def test_a_condition_is_written_anew(content):
    guard = "L['x'] .size( )[0] >= 1 # remark"
    assert texts.is_guard(guard)
    assert texts.rewritten(guard) == "L['x'].size()[0] >= 1"

    def planted(tree):
        tree["guards_code"] = [guard]

    held = file.load(edited(content, MODEL, program(planted)), "m")
    assert held._guards_code == ["L['x'].size()[0] >= 1"]


def _samples(held):
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "held",
    [
        (({f"a{RAN}": torch.ones(1)},), {}),
        ((torch.ones(1),), {"a'b": torch.ones(1)}),
        ((torch.ones(1).to_sparse(),), {}),
        (("\n",), {}),
    ],
)
def test_example_inputs_are_plain(content, held, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with refused("holds code, which is never run") as caught:
        sd.convert(edited(content, "sample_inputs", lambda _: _samples(held)))
    assert "example inputs" in caught.value.got
    assert not list(tmp_path.iterdir())


def test_example_inputs_that_overflow_are_not_unpickled(content):
    deep = b"\x80\x02" + b"(" * 150_000 + b"t" * 150_000 + b"."

    def changed(data):
        return edited(data, r"data\.pkl", lambda _: deep)

    with refused("cannot be read") as caught:
        sd.inspect(edited(content, "sample_inputs", changed))
    assert "too many parts" in caught.value.got


def test_example_inputs_are_kept_and_may_be_missing(content):
    x = torch.randn(2, 6, 4, 5)
    held = file.load(edited(content, "sample_inputs", lambda _: _samples(((x,), {}))), "m")
    torch.testing.assert_close(held.example_inputs[0][0], x, rtol=0, atol=0)
    kept = sd.convert(edited(content, "sample_inputs", lambda _: b""), verify=False).model
    assert run(kept, x).shape[0] == 2


@pytest.mark.parametrize(
    "size",
    [
        "9**9**9",
        "Pow(9, Pow(9, Pow(9, 9)))",
        "((((9**9)**9)**9)**9)**9",
        "Pow(Pow(Pow(s0, 12), 12), 12)",
        "PowByNatural(7, 10**9)",
        "LShift(1, 100000000000)",
        "Float(1, 1000000000)",
        "Float(1, precision=1000000000)",
        "Max(" + ", ".join(f"s{i}*s{i + 1}" for i in range(120)) + ")",
        "(s0 + s1 + s2 + s3 + 1)**40",
        "+".join(["s0"] * 3000),
        "9" * 25_000,
    ],
)
def test_an_expression_is_bounded(size):
    assert not texts.is_size(size)
    assert not texts.is_guard(size.replace("s0", "L['x'].size()[0]"))


@pytest.mark.parametrize(
    "size", ["s0", "2*s0 + 2*(((s1 - 1)//2)) + 1", "Max(1, s0 - 3)", "s0**2", "Mod(s0, 7)"]
)
def test_an_expression_of_pytorch_s_own_is_read(size):
    assert texts.is_size(size)
    assert not texts.rewritten(size).startswith(" ")


def test_a_compressed_member_is_refused(content):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with refused("cannot be read") as caught:
        sd.inspect(buffer.getvalue())
    assert "is compressed" in caught.value.got


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sizes": [{"as_int": 1 << 40}], "strides": [{"as_int": 0}]}, "is stored in"),
        ({"sizes": [{"as_int": 7}], "strides": [{"as_int": 1 << 40}]}, "is stored in"),
        ({"sizes": [{"as_int": -7}], "strides": [{"as_int": 1}]}, "sizes"),
        ({"sizes": [{"as_int": 7}], "strides": []}, "sizes"),
        ({"storage_offset": {"as_int": 1 << 40}}, "is stored in"),
        ({"sizes": [{"as_expr": {"expr_str": "s0"}}], "strides": [{"as_int": 1}]}, "no number"),
        ({"sizes": [{"as_int": 1}], "strides": [{"as_int": 1}]}, "the graph reads"),
    ],
)
def test_a_stored_tensor_is_what_its_record_and_the_graph_say(content, change, named):
    def changed(data):
        config = json.loads(data)
        next(iter(config["config"].values()))["tensor_meta"] |= change
        return json.dumps(config).encode()

    with refused("cannot be read") as caught:
        sd.inspect(edited(content, "_weights_config", changed))
    assert named in caught.value.got


def test_a_program_for_another_device_is_refused_by_its_name(content):
    def moved(data):
        return re.sub(rb'"type": "cpu"', b'"type": "privateuseone"', data)

    with refused("is for a device that is not available here") as caught:
        sd.inspect(edited(content, MODEL, moved))
    assert caught.value.got == "privateuseone"
    assert "move_to_device_pass" in caught.value.fix


@pytest.mark.parametrize(
    ("stack", "kept"),
    [("L__self__,,torch.nn.Linear", True), ("a,L['self'].b[c, d],e;f,g,h", True), ("a,b", False)],
)
def test_a_remark_that_pytorch_could_not_parse_is_dropped(content, stack, kept):
    assert texts.is_module_stack(stack) == kept

    def planted(tree):
        tree["graph_module"]["graph"]["nodes"][0]["metadata"]["nn_module_stack"] = stack

    assert len(sd.inspect(edited(content, MODEL, program(planted)))) > 0


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("conv,torch.nn.modules.conv.Conv2d", True),
        ("add,_operator.add;relu,torch.nn.functional.relu", True),
        ("x,torch.os.sys.stdout", False),
        ("x,torch.nn.__builtins__", False),
    ],
)
def test_a_source_is_a_function_of_pytorch(source, kept):
    assert texts.is_source(source) == kept
