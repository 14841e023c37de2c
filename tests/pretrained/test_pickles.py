"""Hostile pickles: Python's own unpickler would run code; here nothing is executed."""

import io
import os
import pickle
import struct

import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import pickles, read_checkpoint
from tests.pretrained import torch_files as torch


def _parse(body):
    return pickles.parse(io.BytesIO(torch.pickled(body)), "forged.pth")


class _Runs:
    """Pickled by Python itself: the classical attack."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _short(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("__builtin__", "apply"),
        ("subprocess", "Popen"),
        ("copyreg", "_reconstructor"),
        ("collections", "OrderedDict.__reduce__"),
        ("collections", "namedtuple"),
        ("collections", "deque"),
        ("torch", "load"),
        ("torch", "FloatStorage.__init__"),
        ("torch._utils", "_rebuild_tensor_v3"),
        ("torch._utils", "_import_dotted_name"),
        ("torch.storage", "_load_from_bytes"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("", ""),
    ],
)
def test_every_global_but_the_few_is_refused_by_name(module, name):
    stacked = _short(module) + _short(name) + b"\x93"
    for reach in (torch.named(module, name), stacked):
        call = reach + torch.pack(torch.text("touch forged")) + torch.REDUCE
        for body in (reach, call, torch.ordered(torch.text("w") + call), torch.pack(call, call)):
            with pytest.raises(
                SplitDeconvError,
                match=f"nothing in it was executed(.|\n)*the global {module}.{name}",
            ):
                _parse(body)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_that_python_would_execute(tmp_path, protocol):
    marker = tmp_path / "executed"
    for payload in (
        _Runs(os.mkdir, str(marker)),
        {"w": _Runs(exec, f"open({str(marker)!r}, 'w')")},
        _Runs(_Runs, _Runs, os.mkdir, str(marker)),
    ):
        with pytest.raises(SplitDeconvError, match=r"the global|the pickle operation"):
            pickles.parse(io.BytesIO(pickle.dumps(payload, protocol)), "forged.pth")
        assert not marker.exists()
    pickle.loads(
        pickle.dumps(_Runs(os.mkdir, str(marker)), protocol)
    )  # the control: the payload is live
    assert marker.exists()


@pytest.mark.parametrize("container", [torch.zip_file, torch.legacy_file])
def test_a_hostile_pickle_inside_a_checkpoint(tmp_path, container):
    body = torch.ordered(
        torch.text("w")
        + torch.named("os", "system")
        + torch.pack(torch.text("true"))
        + torch.REDUCE
    )
    with pytest.raises(SplitDeconvError, match=r"the global os\.system"):
        read_checkpoint(container(tmp_path / "w.pth", body, {}))


def test_a_hostile_header_of_a_legacy_checkpoint(tmp_path):
    path = torch.legacy_file(tmp_path / "w.pth", torch.ordered(), {})
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    path.write_bytes(
        magic
        + pickle.dumps(_Runs(os.mkdir, str(tmp_path / "executed")), 2)
        + path.read_bytes()[len(magic) :]
    )
    with pytest.raises(SplitDeconvError, match=r"the global posix\.mkdir"):
        read_checkpoint(path)
    assert not (tmp_path / "executed").exists()


FLOAT = torch.named("torch", "FloatStorage")
REBUILD = torch.named("torch._utils", "_rebuild_tensor_v2")
STORED = torch.storage("0", "Float", 4)
SIZES = torch.pack(torch.number(4)) + torch.pack(torch.number(1))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        # a call of something that is no rebuild function, or with other arguments
        (FLOAT + b")R", "a call of torch.FloatStorage"),
        (torch.text("os.system") + torch.pack(torch.text("true")) + torch.REDUCE, "a call of str"),
        (torch.ordered() + b")R", "a call of dict"),
        (torch.ordered() + torch.pack() + torch.REDUCE, "a call of dict"),
        (
            torch.named("collections", "OrderedDict") + torch.pack(b"]") + torch.REDUCE,
            "a call of collections.OrderedDict",
        ),
        (REBUILD + b")R", "a call of torch._utils._rebuild_tensor_v2"),
        (
            REBUILD + torch.pack(torch.text("0"), torch.number(0), SIZES, torch.FALSE, b"}") + b"R",
            "_rebuild_tensor_v2",
        ),
        (
            REBUILD + torch.pack(STORED, b"\x88", SIZES, torch.FALSE, b"}") + b"R",
            "_rebuild_tensor_v2",
        ),
        (
            REBUILD
            + torch.pack(STORED, torch.number(0), SIZES, torch.FALSE, torch.text("hook"))
            + b"R",
            "_rebuild_tensor_v2",
        ),
        (REBUILD + torch.number(1) + b"R", "_rebuild_tensor_v2"),
        # state given to what has none
        (
            REBUILD + b"}" + torch.text("__code__") + b"Nsb",
            "a torch._utils._rebuild_tensor_v2 with a state",
        ),
        (FLOAT + b"}b", "a torch.FloatStorage with a state"),
        (torch.tensor(STORED, (4,), (1,)) + b"}b", "a Tensor with a state"),
        (torch.ordered() + torch.number(1) + b"b", "a dict with a state"),
        (torch.text("x") + b"}b", "a str with a state"),
        # filling what is no container
        (FLOAT + torch.text("__init__") + b"Ns", "a torch.FloatStorage that is filled like a dict"),
        (torch.ordered() + b"Na", "a dict that is filled like a list"),
        (b")" + b"(NNe", "a tuple that is filled like a list"),
        (b"})Ns", "a dictionary key that is a tuple"),
        (b"}\x88Ns", "a dictionary key that is a bool"),
        # forged persistent ids
        (torch.text("0") + torch.PERSISTENT, "a persistent id"),
        (
            torch.pack(
                torch.text("module"), FLOAT, torch.text("0"), torch.text("cpu"), torch.number(1)
            )
            + b"Q",
            "a persistent id",
        ),
        (
            torch.pack(
                torch.text("storage"), REBUILD, torch.text("0"), torch.text("cpu"), torch.number(1)
            )
            + b"Q",
            "persistent",
        ),
        (
            torch.pack(
                torch.text("storage"),
                torch.text("F"),
                torch.text("0"),
                torch.text("c"),
                torch.number(1),
            )
            + b"Q",
            "persist",
        ),
        (
            torch.pack(
                torch.text("storage"), FLOAT, torch.number(0), torch.text("cpu"), torch.number(1)
            )
            + b"Q",
            "persistent",
        ),
        (
            torch.pack(
                torch.text("storage"), FLOAT, torch.text("0"), torch.text("cpu"), torch.number(-1)
            )
            + b"Q",
            "persistent",
        ),
        (
            torch.pack(
                torch.text("storage"),
                FLOAT,
                torch.text("0"),
                torch.text("c"),
                torch.number(1),
                b")",
            )
            + b"Q",
            "persistent",
        ),
        (b"P0\n", "the pickle operation PERSID"),
        # operations that instantiate, import or rebuild in other ways
        (b"(" + b"ios\nsystem\n", "the pickle operation INST"),
        (b"(" + FLOAT + b"o", "the pickle operation OBJ"),
        (FLOAT + b")\x81", "the pickle operation NEWOBJ"),
        (FLOAT + b")}\x92", "the pickle operation NEWOBJ_EX"),
        (b"\x82\x01", "the pickle operation EXT1"),
        (b"\x83\x01\x00", "the pickle operation EXT2"),
        (b"\x97", "the pickle operation NEXT_BUFFER"),
        (b"\x8f(N\x90", "the pickle operation EMPTY_SET"),
        (b"\x88\x88\x93", "a global whose name is not text"),
        (b"\x8b" + struct.pack("<i", 1) + b"\x01", "the pickle operation LONG4"),
    ],
)
def test_forged_structures_are_refused_by_name(body, named):
    with pytest.raises(SplitDeconvError, match=f"nothing in it was executed(.|\n)*{named}"):
        _parse(body)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02N",
        b"\x80\x02t.",
        b"\x80\x02a.",
        b"\x80\x02h\x05.",
        b"\x80\x02}(Nu.",
        b"\x80\x02(NR.",
        b"\x80\x02N(\x85.",  # one value, taken from below a mark
        b"\x80\x02q\x00.",
        b"\x80\x02b.",
        b"\x80\x02X\xff\xff\xff\xffab.",
        b"\x80\x02X\x01\x00\x00\x00\xff.",
        b"\x80\x02\xff.",
        b"\x80\x02cno newline",
    ],
)
def test_streams_that_are_no_pickle_are_damaged(stream):
    with pytest.raises(SplitDeconvError, match="damaged or cut short"):
        pickles.parse(io.BytesIO(stream), "cut.pth")


def test_the_number_of_operations_is_limited(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_STEPS", 1000)
    assert len(_parse(b"](" + b"N" * 990 + b"e")) == 990
    with pytest.raises(SplitDeconvError, match="at most 1,000 operations"):
        _parse(b"](" + b"N" * 1000 + b"e")


def test_nesting_without_end_does_not_recurse():
    deep = _parse(b"]" * 50_000 + b"a" * 49_999)
    for _ in range(49_999):
        (deep,) = deep
    assert deep == []


def test_all_protocols_write_the_same_plain_values():
    value = {
        "a": (1, 2.5, "x", None),
        "b": [True, False, -7, 2**40],
        3: {"c": (1, 2), "d": (), "e": (1, 2, 3)},
    }
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickles.parse(io.BytesIO(pickle.dumps(value, protocol)), "plain") == value


def test_the_stream_is_left_behind_the_pickle():
    stream = io.BytesIO(pickle.dumps(1, 2) + pickle.dumps("two", 2) + b"rest")
    assert [pickles.parse(stream, "two"), pickles.parse(stream, "two"), stream.read()] == [
        1,
        "two",
        b"rest",
    ]
