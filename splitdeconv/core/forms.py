"""The names of forms and interleaves, and which strides an interleave can serve."""

from collections.abc import Sequence

from ..errors import SplitDeconvError

#: The forms of a plan; `splitdeconv.plan` tells them apart.
FORMS = ("split", "rows", "stacked", "paper", "nzp", "native")
#: Those that compute by stride-1 convolutions: all but the framework's own operator.
COMPUTED_FORMS = tuple(form for form in FORMS if form != "native")
#: What `SplitPlan.macs` counts, in its order: two counts of a geometry, and one for each form.
COUNTED_FORMS = ("nzp", *(form for form in COMPUTED_FORMS if form != "nzp"))
COUNTS = ("useful", "exact", *COUNTED_FORMS)
#: Those that a converted model may hold: they insert no zeros and crop nothing.
FILE_FORMS = ("split", "rows", "stacked")

#: How phases become pixels where arrays are computed; `splitdeconv.apply` tells them apart.
INTERLEAVES = ("concat", "depth_to_space", "transpose")
#: The same in model files: TFLite has one operator more for it.
FILE_INTERLEAVES = ("concat", "depth_to_space", "batch_to_space", "transpose")


def depth_to_space_fits(strides: Sequence[int]) -> bool:
    """Whether DEPTH_TO_SPACE, which has one block size for two axes, can interleave."""
    return len(strides) == 2 and len(set(strides)) == 1


def check_depth_to_space(strides: Sequence[int], where: str) -> None:
    """Refuse strides that DEPTH_TO_SPACE cannot interleave.

    Args:
        strides: the phases of each spatial axis.
        where: the call or layer, as an error names it.

    Raises:
        SplitDeconvError: another number of axes than two, or two different strides.
    """
    if not depth_to_space_fits(strides):
        raise SplitDeconvError(
            "depth_to_space interleaves two axes of equal stride only",
            where=where,
            expected="a 2-D transposed convolution with equal strides",
            got=f"strides {tuple(strides)}",
            fix='use interleave="concat" or "transpose"',
        )
