"""Names of forms and interleaves, and the strides that DEPTH_TO_SPACE can serve."""

import pytest

from splitdeconv.core import forms
from tests.refusals import refused


def test_forms_are_subsets_of_all():
    assert (*forms.COMPUTED_FORMS, "native") == forms.FORMS
    assert set(forms.FILE_FORMS) < set(forms.COMPUTED_FORMS)
    assert set(forms.INTERLEAVES) < set(forms.FILE_INTERLEAVES)


@pytest.mark.parametrize(
    ("strides", "fits"),
    [((2, 2), True), ((1, 1), True), ((2, 3), False), ((3,), False), ((2, 2, 2), False)],
)
def test_depth_to_space_has_one_block_for_two_axes(strides, fits):
    assert forms.depth_to_space_fits(strides) is fits
    if fits:
        forms.check_depth_to_space(strides, "here")
        return
    with refused("depth_to_space interleaves two axes of equal stride only") as caught:
        forms.check_depth_to_space(list(strides), "here")
    assert caught.value.where == "here"
    assert caught.value.got == f"strides {strides}"
