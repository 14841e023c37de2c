"""The list of networks is complete and typed, and its inputs are what they claim to be."""

import numpy as np
import pytest

from splitdeconv import pretrained
from splitdeconv.errors import SplitDeconvError
from tools.survey.entries import EXPORTS, entries
from tools.survey.inputs import draw
from tools.survey.networks import NETWORKS


def test_there_are_a_hundred_networks_of_every_framework_and_export():
    every = entries()
    assert len({entry.network for entry in every}) >= 100
    used = {(entry.framework, entry.export) for entry in every}
    assert used == {(kind, export) for kind, exports in EXPORTS.items() for export in exports}
    assert len({entry.name for entry in every}) == len(every)


def test_what_is_made_here_or_fetched_exists():
    for entry in entries():
        if entry.framework == "file":
            assert entry.make in pretrained.files()
        else:
            library, name = entry.make.split(":")
            assert library != "keras" or name in NETWORKS


def test_each_network_has_inputs_of_a_known_kind():
    for entry in entries():
        for name, spec in entry.inputs.items():
            values = draw(spec, name, 2)
            assert len(values) == 2
            assert (values[0] != values[1]).any() or "ones" in spec or values[0].size < 4


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("{family: a, make: 'torch.nn:Identity', weights: 1}", "weights"),
        ("{family: a, make: 'torch.nn:Identity', exports: [tflite]}", "tflite"),
        ("{family: a, make: 'torch.nn:Identity', exports: [onnx, onnx]}", "twice"),
    ],
)
def test_a_wrong_row_is_refused(tmp_path, row, named):
    path = tmp_path / "networks.yaml"
    path.write_text(f"net: {row}\n")
    with pytest.raises(SplitDeconvError, match=named):
        entries(path)


def test_photographs_are_normalized_crops_that_differ():
    first = draw({"photo": [2, 3, 40, 700]}, "x", 2)
    assert first.shape == (2, 2, 3, 40, 700)
    assert first.dtype == np.float32
    assert -2.2 < first.min() < -1 < 1 < first.max() < 2.7
    last = draw({"photo_last": [2, 40, 700, 3]}, "x", 2)
    np.testing.assert_array_equal(np.moveaxis(last, -1, 2), first)
    assert (draw({"photo": [2, 3, 40, 700]}, "y", 2) != first).any()


def test_a_page_is_a_photograph_with_lines_of_text_on_it():
    page = draw({"page": [1, 3, 160, 300]}, "x", 1)[0, 0]
    photo = draw({"photo": [1, 3, 160, 300]}, "x", 1)[0, 0]
    assert page.shape == photo.shape == (3, 160, 300)
    np.testing.assert_array_equal(page[:, 60:75], photo[:, 60:75])  # between two lines
    line = page[0, 20:57, 10:290]
    assert 0.05 < (line < 0).mean() < 0.5 < (line > 2).mean()  # black on white


def test_whole_numbers_scans_and_masks():
    numbers = draw({"below": [7, [1, 200]]}, "x", 2)
    assert set(numbers.ravel()) == set(range(7))
    scan = draw({"scan": [1, 1, 64, 64]}, "x", 1)
    assert scan.std() == pytest.approx(1, rel=1e-3)
    # Neighbours share two of three values along an axis: a correlation of 2/3.
    along = np.corrcoef(scan[..., 1:].ravel(), scan[..., :-1].ravel())[0, 1]
    assert along == pytest.approx(2 / 3, abs=0.1)
    assert (draw({"ones": [3]}, "x", 2) == 1).all()
    with pytest.raises(ValueError, match="unknown kind of input 'noise' of x"):
        draw({"noise": [3]}, "x", 1)
