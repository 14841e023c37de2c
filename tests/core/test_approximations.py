"""The literature's conversions, against their own description, written out."""

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.core.approximations import METHODS, approximate, survey
from splitdeconv.core.definition import conv_transpose, rounding_bound
from splitdeconv.errors import SplitDeconvError

KERNELS = [(k, s) for s in (1, 2, 3, 4) for k in range(1, 8)]


def _data(n, k, s, padding="SAME", **options):
    """Plan, signed input and filters; 2 -> 3 channels, unequal lengths of the axes."""
    rng = np.random.default_rng((n, k, s))
    planned = sd.plan((n, n + 1), k, s, padding, **options)
    return planned, rng.standard_normal((2, n, n + 1, 2)), rng.standard_normal((k, k, 3, 2))


def _run(planned, x, filters, method):
    other, changed = approximate(planned, filters, method)
    return conv_transpose(x, changed, other)


def _difference(y, wanted, x, filters, planned, where=np.s_[:]):
    """Largest difference over what the order of summation explains."""
    bound = rounding_bound(x, filters, planned, 2.0**-53)[where]
    return np.max(np.abs(y - wanted[where]) / np.maximum(bound, 1e-300))


def sub_pixel(x, filters, s):
    """Shi et al.: s*s unpadded filters of K x K taps for a kernel s*K; outputs side by side."""
    K = filters.shape[0] // s
    rows, columns = x.shape[1] - K + 1, x.shape[2] - K + 1
    y = np.zeros((x.shape[0], rows, s, columns, s, filters.shape[2]))
    for r in range(s):
        for c in range(s):
            phase = filters[r::s, c::s][
                ::-1, ::-1
            ]  # a convolution as networks have it reads its filter backwards
            for i in range(K):
                for j in range(K):
                    y[:, :, r, :, c] += x[:, i : i + rows, j : j + columns] @ phase[i, j].T
    return y.reshape(x.shape[0], rows * s, columns * s, -1)


@pytest.mark.parametrize(("k", "s"), KERNELS)
def test_shi_is_the_sub_pixel_convolution(k, s):
    planned, x, filters = _data(8, k, s)
    extended = np.pad(filters, [(0, -k % s)] * 2 + [(0, 0)] * 2)
    np.testing.assert_allclose(
        _run(planned, x, filters, "shi"), sub_pixel(x, extended, s), rtol=0, atol=1e-12
    )
    if k >= s:
        cut = filters[: k // s * s, : k // s * s]
        wanted = sub_pixel(x, cut, s)
        # Sums of at most 98 products of order 1 in double precision.
        np.testing.assert_allclose(
            _run(planned, x, filters, "shi_truncated"), wanted, rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(1, 0), (0, 1)]])
@pytest.mark.parametrize(("k", "s"), KERNELS)
def test_shi_is_the_operator_without_its_border(k, s, padding):
    planned, x, filters = _data(8, k, s, padding)
    wanted = conv_transpose(x, filters, planned)
    border = s * (-(-k // s) - 1)
    y = _run(planned, x, filters, "shi")
    assert y.shape[1:3] == (8 * s - border, 9 * s - border)
    places, parts = [], []
    for axis, length, theirs in zip(planned.axes, y.shape[1:3], wanted.shape[1:3], strict=True):
        first = border - axis.p
        # An operator that crops more than the border has less than the conversion gives.
        begin, end = max(first, 0), min(first + length, theirs)
        places.append(slice(begin, end))
        parts.append(slice(begin - first, end - first))
    y = y[:, *parts]
    assert y.size
    assert _difference(y, wanted, x, filters, planned, np.s_[:, *places]) <= 1


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(1, 0), (0, 1)]])
@pytest.mark.parametrize(("k", "s"), KERNELS)
def test_shi_cropped_loses_one_block_at_the_top_and_left(k, s, padding):
    planned, x, filters = _data(6, k, s, padding)
    wanted = conv_transpose(x, filters, planned)[:, s:, s:]
    y = _run(planned, x, filters, "shi_cropped")
    assert y.shape == wanted.shape
    assert y.size
    bound = rounding_bound(x, filters, planned, 2.0**-53)[:, s:, s:]
    assert (np.abs(y - wanted) <= bound).all()


@pytest.mark.parametrize(
    ("k", "s", "layers", "lost"),
    [(5, 2, 3, 14), (4, 2, 3, 14), (3, 2, 2, 6), (6, 2, 2, 6), (7, 3, 2, 12), (2, 3, 2, 12)],
)
def test_chains_of_shi_cropped_lose_their_blocks_and_stay_exact(k, s, layers, lost):
    """Each layer's s lost outputs are enlarged by the layers behind it: s + s**2 + ..."""
    rng = np.random.default_rng((k, s, layers))
    whole = part = rng.standard_normal((1, 5, 5, 2))
    for _ in range(layers):
        filters = rng.standard_normal((k, k, 2, 2))
        whole = conv_transpose(whole, filters, sd.plan(whole.shape[1:3], k, s))
        part = _run(sd.plan(part.shape[1:3], k, s), part, filters, "shi_cropped")
    assert part.shape[1] == whole.shape[1] - lost
    np.testing.assert_allclose(part, whole[:, lost:, lost:], rtol=0, atol=1e-9)


def test_chains_of_longer_kernels_do_not_stay_exact():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 7, 7, 1, 1))
    x = rng.standard_normal((1, 6, 6, 1))
    whole = conv_transpose(x, first, sd.plan((6, 6), 7, 2))
    whole = conv_transpose(whole, second, sd.plan((12, 12), 7, 2))
    part = _run(sd.plan((6, 6), 7, 2), x, first, "shi_cropped")
    part = _run(sd.plan((10, 10), 7, 2), part, second, "shi_cropped")
    assert np.abs(part - whole[:, 6:, 6:]).max() > 0.1


@pytest.mark.parametrize(("k", "s"), KERNELS)
def test_which_kernels_chang_and_the_control_survive(k, s):
    planned, x, filters = _data(7, k, s)
    wanted = conv_transpose(x, filters, planned)
    for method in ("chang", "wrong_side"):
        y = _run(planned, x, filters, method)
        assert y.shape == wanted.shape
        difference = _difference(y, wanted, x, filters, planned)
        survives = k % s == 0 or (method == "wrong_side" and k < s)
        # Not a matter of rounding: more than 1e6 times what it explains.
        assert difference <= 1 if survives else difference > 1e6


@pytest.mark.parametrize(("k", "s"), [(k, s) for k, s in KERNELS if k % s])
def test_chang_is_the_operator_shifted(k, s):
    planned, x, filters = _data(7, k, s)
    wanted = conv_transpose(x, filters, planned)
    late = -k % s
    y = _run(planned, x, filters, "chang")[:, late:, late:]
    assert _difference(y, wanted, x, filters, planned, np.s_[:, :-late, :-late]) <= 1


@pytest.mark.parametrize(("k", "s"), [(3, 2), (5, 2), (5, 3), (7, 4)])
def test_the_control_moves_the_short_phases_only(k, s):
    """Along one axis: whole phases are right, short ones come one input, s outputs, late."""
    rng = np.random.default_rng(k)
    planned = sd.plan((7,), k, s, "VALID")
    x, filters = rng.standard_normal((1, 7, 2)), rng.standard_normal((k, 3, 2))
    wanted, y = conv_transpose(x, filters, planned), _run(planned, x, filters, "wrong_side")
    for r in range(s):
        late = s if r >= k % s else 0
        np.testing.assert_allclose(
            y[:, r + late :: s], wanted[:, r : wanted.shape[1] - late : s], rtol=0, atol=1e-13
        )


def test_the_cut_of_a_kernel_is_not_the_operator():
    planned, x, filters = _data(8, 5, 2)
    y, wanted = _run(planned, x, filters, "shi_truncated"), conv_transpose(x, filters, planned)
    offset = 2 - planned.axes[0].p
    inside = np.s_[:, offset : offset + 14, offset : offset + 16]
    assert _difference(y, wanted, x, filters, planned, inside) > 1e6


@pytest.mark.parametrize(
    ("kernel", "method", "sizes"),
    [
        (4, "shi", [14, 26, 50]),
        (3, "shi", [14, 26, 50]),
        (5, "shi_truncated", [14, 26, 50]),
        (5, "shi", [12, 20, 36]),
        (5, "shi_cropped", [14, 26, 50]),
        (5, "chang", [16, 32, 64]),
        (5, "wrong_side", [16, 32, 64]),
    ],
)
def test_sizes_of_dcgans_layers(kernel, method, sizes):
    """64x64 comes out as 50x50, as in the authors' image, where each layer loses 2 outputs."""
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 1))
    for size in sizes:
        planned = sd.plan(x.shape[1:3], kernel, 2)
        x = _run(planned, x, np.ones((kernel, kernel, 1, 1)), method)
        assert x.shape[1:3] == (size, size)


@pytest.mark.parametrize("method", METHODS)
def test_any_way_to_run_a_plan_runs_them(method):
    planned, x, filters = _data(6, 5, 2, groups=1)
    other, changed = approximate(planned, filters, method)
    y = sd.apply(other, x, changed)
    assert _difference(y, conv_transpose(x, changed, other), x, changed, other) <= 1


def test_the_survey_tells_what_breaks():
    table = survey((2, 3, 4, 5), (2, 3)).set_index(["k", "s", "method"])
    assert (3, 4, "shi_truncated") not in table.index
    assert table.query("method in ('shi', 'shi_cropped')").exact.all()
    broken = table.query(
        "k_mod_s > 0 and method not in ('shi', 'shi_cropped') "
        "and not (method == 'wrong_side' and k < s)"
    )
    assert set(broken.reset_index().method) == {"shi_truncated", "chang", "wrong_side"}
    assert (broken.error > 0.1).all()
    assert not broken.exact.any()
    sound = table.drop(index=broken.index)
    assert sound.exact.all()
    assert (sound.error < 1e-14).all()
    chang = broken.query("method == 'chang'")
    assert (chang.shifted < 1e-14).all()
    assert (broken.query("method == 'wrong_side'").shifted > 0.1).all()
    assert table.loc[(5, 2, "shi"), "outputs"] == 14
    assert table.loc[(5, 2, "shi_cropped"), "outputs"] == 16
    assert table.loc[(5, 2, "chang"), "outputs"] == table.loc[(5, 2, "chang"), "expected"] == 18


def test_refusals():
    planned, _, filters = _data(6, 3, 2)
    with pytest.raises(SplitDeconvError, match=r"unknown method(.|\n)*shi, (.|\n)*got: 'xu'"):
        approximate(planned, filters, "xu")
    with pytest.raises(
        SplitDeconvError, match=r"not defined(.|\n)*without dilation\n  got: n=6 k=3 s=1 d=2"
    ):
        approximate(sd.plan((6, 6), 3, dilations=2), filters, "chang")
    with pytest.raises(
        SplitDeconvError, match="the approximate conversion is not defined for this geometry"
    ):
        approximate(sd.plan((6, 6), 3, dilations=(1, 2)), filters, "shi")
    with pytest.raises(
        SplitDeconvError, match=r"dimension 0(.|\n)*more than 2 outputs\n  got: n=1 k=4 s=2"
    ):
        approximate(sd.plan((1, 1), 4, 2), np.ones((4, 4, 3, 2)), "shi")
    with pytest.raises(SplitDeconvError, match=r"more than s outputs\n  got: n=1 k=4 s=2"):
        approximate(sd.plan((1, 1), 4, 2), np.ones((4, 4, 3, 2)), "shi_cropped")
    with pytest.raises(SplitDeconvError, match=r"k >= s(.|\n)*k=1 s=2"):
        approximate(sd.plan((6, 6), 1, 2), np.ones((1, 1, 3, 2)), "shi_truncated")
