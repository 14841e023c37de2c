""".pt2 files on the command line and in Python: read as data, written whole, refused in words."""

import io
import zipfile

import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.formats.pt2.archive import file
from tests.formats.pt2.archives_torch import edited, program
from tests.formats.pt2.programs_torch import Decoder, export, is_plain, run
from tests.refusals import refused

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def content():
    """The file of a program with open axes."""
    return file.save(export(Decoder(), torch.randn(2, 6, 4, 5), open_axes=(0, 2)))


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
    assert "version" in caught.value.got


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
    for made in (file.load(saved, "m"), result.model, file.load(file.save(result.model), "m")):
        with pytest.raises(AssertionError, match="Guard failed"):
            run(made, torch.randn(5, 2, 9))


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
