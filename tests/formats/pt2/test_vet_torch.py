"""A .pt2 file is data: what PyTorch would run, import or unpickle never reaches it."""

import io
import json
import zipfile

import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.formats.pt2.archive import file
from tests.formats.pt2.archives_torch import edited, program
from tests.formats.pt2.programs_torch import Decoder, export, run
from tests.refusals import refused

pytestmark = pytest.mark.usefixtures("here")
MODEL = r"models/model\.json"


@pytest.fixture(scope="module")
def content():
    """The file of a program with open axes."""
    return file.save(export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2)))


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


@pytest.mark.parametrize("folder", ["weights", "constants"])
def test_members_that_pytorch_would_unpickle_instead_are_refused(
    content, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pickled, buffer = io.BytesIO(), io.BytesIO(content)
    torch.save((_Bomb(),), pickled)
    for name in ("model.pt", "custom_obj_0", "opaque_obj_0"):
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(f"archive/data/{folder}/{name}", pickled.getvalue())
        with refused("holds code, which is never run") as caught:
            sd.inspect(buffer.getvalue())
        assert "a pickle" in caught.value.got
    assert not list(tmp_path.iterdir())


def renamed(content, old, new):
    """The file with a name replaced wherever it stands as a whole text."""
    texts = (json.dumps(text).encode() for text in (old, new))
    return edited(content, MODEL, lambda data, pair=tuple(texts): data.replace(*pair))


@pytest.mark.parametrize(
    "text",
    [
        "x=open('{}', 'w')",
        "x: open('{}', 'w')",
        "x):\n    open('{}', 'w')\n#",
        "x, *, y=open('{}', 'w')",
        'x"); open("{}", "w"); ("',
        "x\u2028open('{}', 'w')",
    ],
)
@pytest.mark.parametrize("old", ["x", "p_first_weight", "first.weight", "conv_transpose2d"])
def test_a_name_that_would_become_code_is_refused(content, old, text, tmp_path):
    saved = file.save(export(Decoder(), torch.randn(1, 6, 4, 5)))
    for given in (content, saved):
        broken = renamed(given, old, text.format(tmp_path / "run"))
        assert broken != given
        with refused("holds code, which is never run"):
            sd.convert(broken)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["' or open('{}', 'w') or '", "\\' or open('{}', 'w') #", "a\nb"])
def test_a_constant_text_that_would_end_its_quotes_is_refused(text, tmp_path):
    class Mode(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose1d(2, 3, 4, 2)

        def forward(self, x, mode):
            return self.up(x) if mode == "aaa" else x

    given = export(Mode(), torch.randn(1, 2, 5), "aaa")
    saved = file.save(given)
    kept = sd.convert(saved, verify=False).model
    x = torch.randn(1, 2, 5)
    torch.testing.assert_close(run(kept, x, "aaa"), run(given, x, "aaa"), rtol=1e-5, atol=1e-5)
    with refused("holds code, which is never run"):
        sd.convert(renamed(saved, "aaa", text.format(tmp_path / "run")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["open('{}', 'w')", [1], {"a": 1}, True, 1.5])
def test_a_value_of_another_type_than_its_place_has_is_refused(content, value, tmp_path):
    value = value.format(tmp_path / "run") if isinstance(value, str) else value

    def planted(tree):
        tree["graph_module"]["graph"]["nodes"][0]["inputs"][3]["arg"] = {"as_ints": [2, value]}

    with refused("the .pt2 file cannot be read") as caught:
        sd.convert(edited(content, MODEL, program(planted)))
    assert "expected int" in caught.value.got
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("before", [" ", "\t", "\n", "\r"])
def test_spaces_hide_no_structure(content, before):
    hidden = {"__enum__": True, "fqn": "antigravity:x", "name": "y"}
    inner = {"type": "builtins.dict", "context": before + json.dumps(hidden), "children_spec": []}

    def planted(tree):
        signature = tree["graph_module"]["module_call_graph"][0]["signature"]
        signature["in_spec"] = before + json.dumps([1, inner])

    with refused("holds code, which is never run"):
        sd.inspect(edited(content, MODEL, program(planted)))


def test_every_text_of_a_program_is_vetted(content):
    """A text with quotes, brackets and a line's end is refused in each place, or not kept."""
    evil = "a\"'\\\n(b=c)"
    places = list(_texts(json.loads(_member(content))))
    assert len(places) > 100
    kept, problems = 0, set()
    for path in places:

        def planted(tree, path=path):
            *way, last = path
            for step in way:
                tree = tree[step]
            tree[last] = evil

        broken = edited(content, MODEL, program(planted))
        try:
            held = file.load(broken, "m")
        except sd.SplitDeconvError as error:
            problems.add(error.problem)
        else:
            kept += 1
            assert path[-1] in (
                "stack_trace",
                "nn_module_stack",
                "torch_fn",
                "source_fn_stack",
                "from_node",
                "custom",
            ), path
            assert "(b=c)" not in held.graph_module.code
    assert kept
    assert problems <= {
        "the .pt2 file holds code, which is never run",
        "the .pt2 file cannot be read",
    }


def _member(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("models/model.json"))
        return archive.read(name)


def _texts(tree, path=()):
    """The place of every text in a tree, one of several alike."""
    seen = set()
    waiting = [(tree, path)]
    while waiting:
        one, where = waiting.pop()
        pairs = one.items() if isinstance(one, dict) else enumerate(one)
        for key, inner in pairs:
            if isinstance(inner, str):
                kind = tuple("*" if isinstance(step, int) else step for step in (*where, key))
                if (kind, inner) not in seen:
                    seen.add((kind, inner))
                    yield (*where, key)
            elif isinstance(inner, dict | list):
                waiting.append((inner, (*where, key)))
