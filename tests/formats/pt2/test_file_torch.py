""".pt2 files on the command line and in Python: read as data, written whole, refused in words."""

import io
import json
import re
import zipfile

import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.formats.pt2 import file
from tests.formats.pt2.programs_torch import Decoder, export, is_plain, run
from tests.refusals import refused

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def content():
    """The file of a program with open axes."""
    return file.save(export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2)))


def edited(content, member, change):
    """The file with one member changed; None removes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if re.search(member, name):
                data = change(data)
            if data is not None:
                new.writestr(name, data)
    return buffer.getvalue()


def program(change):
    """A change of the program's JSON."""

    def changed(data):
        tree = json.loads(data)
        change(tree)
        return json.dumps(tree).encode()

    return changed


def test_a_file_is_converted_saved_and_verified(content, tmp_path):
    path, out = tmp_path / "model.pt2", tmp_path / "split.pt2"
    path.write_bytes(content)
    result = sd.convert(path)
    assert result.report.format == "pt2"
    assert result.report.verification
    assert result.report.converted == 2
    assert result.save(out) == out
    assert sd.verify(path, out)
    assert path.read_bytes() == content
    x = torch.randn(3, 6, 7, 5)
    again = torch.export.load(out)
    assert is_plain(again)
    torch.testing.assert_close(run(again, x), run(file.load(content, "m"), x), rtol=1e-5, atol=1e-5)
    assert isinstance(result.model, torch.export.ExportedProgram)
    assert sd.inspect(out).empty


def test_bytes_are_recognised_by_their_content(content):
    assert list(sd.inspect(content)["operator"]) == ["aten.conv_transpose2d.input"] * 2


def test_a_suffix_of_another_format_is_refused(content, tmp_path):
    result = sd.convert(content, verify=False)
    with refused("the output cannot be written"):
        result.save(tmp_path / "split.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [100, 5000, -30])
def test_a_truncated_file_is_refused(content, cut):
    with refused("unsupported model format"):
        sd.inspect(content[:cut])


@pytest.mark.parametrize("member", [r"models/model\.json", "weights_config", "weights/weight_1$"])
def test_a_damaged_member_is_refused(content, member):
    for change in (lambda data: data[: len(data) // 2], lambda data: b"\x00" * len(data)):
        if member.endswith("1$") and change(b"ab") != b"a":
            continue  # other numbers are no damage
        with refused("the .pt2 file cannot be read|does not hold one program"):
            sd.inspect(edited(content, member, change))


def test_a_newer_version_is_refused(content):
    def newer(tree):
        tree["schema_version"]["major"] += 1

    with refused("the .pt2 file cannot be read") as caught:
        sd.inspect(edited(content, r"models/model\.json", program(newer)))
    assert "version" in str(caught.value)


CALLS = [
    "torch.os.system",
    "torch.ops.aten.from_file.default",
    "torch.ops.aten.add.__class__",
    "_operator.attrgetter",
    "_operator.call",
    "torch.load",
    "#custom:thing",
]


@pytest.mark.parametrize("call", CALLS)
def test_an_operator_that_is_none_is_refused(content, call):
    def planted(tree):
        tree["graph_module"]["graph"]["nodes"][0]["target"] = call

    with refused("holds code, which is never run") as caught:
        sd.inspect(edited(content, r"models/model\.json", program(planted)))
    assert call in caught.value.got


def test_an_operator_as_an_argument_is_refused(content):
    def planted(tree):
        tree["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {
            "as_operator": "torch.os.system"
        }

    with refused("holds code, which is never run"):
        sd.inspect(edited(content, r"models/model\.json", program(planted)))


EXPRESSIONS = [
    "__import__('os').system('touch {}')",
    "(lambda: 0)()",
    "Symbol.__class__",
    "[c for c in ().__class__.__mro__]",
    "exec('import os')",
    "Symbol('s0); import os')",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("place", ["size", "guard"])
def test_an_expression_that_is_code_is_never_evaluated(content, text, place, tmp_path):
    text = text.format(tmp_path / "run")

    def planted(tree):
        if place == "guard":
            tree["guards_code"] = [text]
        else:
            values = tree["graph_module"]["graph"]["tensor_values"]
            values["x"]["sizes"][0]["as_expr"]["expr_str"] = text

    with refused("holds code, which is never run"):
        sd.inspect(edited(content, r"models/model\.json", program(planted)))
    assert not list(tmp_path.iterdir())


class _Bomb:
    def __reduce__(self):
        return open, ("bomb", "w")


def test_pickles_are_never_opened(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save((_Bomb(),), buffer)

    def pickled(data):
        config = json.loads(data)
        next(iter(config["config"].values()))["use_pickle"] = True
        return json.dumps(config).encode()

    for broken in (
        edited(content, "sample_inputs", lambda _: buffer.getvalue()),
        edited(
            edited(content, "weights_config", pickled), "/weight_0$", lambda _: buffer.getvalue()
        ),
    ):
        with refused("holds code, which is never run"):
            sd.inspect(broken)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "archive/data/aotinductor/model/model.so",
        "archive/models/model.json",  # again: PyTorch and Python may read different ones
        "archive/models/MODEL.json",  # PyTorch does not tell these apart
        "archive/Data/weights/model_weights_config.json",
        "archive/models/other/model.json",  # read as a program, whatever it is called
        "archive/models/model.jsn",
        "other/models/model.json",
        "archive/data/weights/Model_Weights_Config.JSON",
        "archive/code/run.py",
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_would_be_read_unvetted_are_refused(content, name):
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, b"\x7fELF")
    with refused("holds code, which is never run"):
        sd.inspect(buffer.getvalue())


STRUCTURES = [
    {"type": "collections.defaultdict", "context": {"default_factory_module": "os"}},
    {"type": "builtins.dict", "context": '{"__enum__": true, "fqn": "antigravity:x", "name": "y"}'},
    {"type": "builtins.dict", "context": '["a", {"__en\\u0075m__": 1, "fqn": "this:x"}]'},
    {"type": "some.Class", "context": None},
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=range(len(STRUCTURES)))
def test_a_structure_that_imports_modules_is_refused(content, structure):
    def planted(tree):
        signature = tree["graph_module"]["module_call_graph"][0]["signature"]
        signature["in_spec"] = json.dumps([1, structure | {"children_spec": []}])

    with refused("holds code, which is never run") as caught:
        sd.inspect(edited(content, r"models/model\.json", program(planted)))
    assert "structure of inputs" in caught.value.where


def test_texts_beside_the_program_do_no_harm(content):
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/extra/licence.txt", b"as is")
    assert len(sd.inspect(buffer.getvalue())) == 2


def test_conditions_on_inputs_are_kept():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(2, 3, 4, 2)

        def forward(self, x):
            assert x.shape[0] % 2 == 0
            return self.up(x)[: x.shape[0] // 2]

    saved = file.save(export(Halves(), torch.randn(4, 2, 5), open_axes=(0, 2)))
    result = sd.convert(saved, verify=False)
    x = torch.randn(6, 2, 9)
    torch.testing.assert_close(
        run(result.model, x), run(file.load(saved, "m"), x), rtol=1e-5, atol=1e-5
    )


def test_a_checkpoint_gets_the_lines_that_make_a_program(tmp_path):
    path = tmp_path / "model.pth"
    torch.save(Decoder().state_dict(), path)
    with refused("unsupported model format") as caught:
        sd.inspect(path)
    assert "its pickle is never opened" in caught.value.got
    assert "torch.export.save(torch.export.export(" in caught.value.fix
    torch.save(Decoder().state_dict(), path, _use_new_zipfile_serialization=False)
    with refused("unsupported model format") as caught:
        sd.inspect(path)
    assert "it is never opened" in caught.value.got
    assert "torch.export.save(torch.export.export(" in caught.value.fix
