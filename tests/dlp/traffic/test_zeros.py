"""Bytes of DRAM of inserted zeros and of interleaved pixels, wherever they lie."""

from dataclasses import replace

from splitdeconv.dlp.lowering import lower
from splitdeconv.dlp.traffic import INTERLEAVE, ZEROS, dram_bytes
from tests.dlp.tables import layer, networks, table
from tests.dlp.traffic.machines import PROCESSOR, holding
from tests.refusals import refused


def test_zeros_are_moved_where_they_are():
    one = table(layer("deconv", (5, 6), (3, 3), (2, 2), (10, 12), 4, 8))
    large = replace(PROCESSOR, input_buffer_kib=1024.0, weight_buffer_kib=1024.0)
    real, inserted = 3 * 5 * 6 * 4, 3 * 9 * 11 * 4
    # Words of input, and what insertion costs.
    expected = {
        "generated": (real, 0),
        "expanded": (real, 0),
        "stored": (inserted, inserted - real),
        "pass": (inserted, inserted + real),
    }
    for zeros in ZEROS:
        found = dram_bytes(lower(one, "nzp"), one, large, "nzp", 3, zeros)
        moved = tuple(found[name].item() for name in ("input", "interleave"))
        assert moved == expected[zeros]
    for method in ("sd", "native"):
        work = lower(one, method)
        first, *others = (dram_bytes(work, one, large, method, 3, zeros) for zeros in ZEROS)
        assert all(first[name] == other[name] for other in others for name in first)


def test_zeros_in_the_buffer_take_its_room():
    one = table(layer("deconv", (16, 16), (3, 3), (2, 2), (32, 32), 8, 5))
    work = lower(one, "nzp")

    def words(i, zeros):
        machine = holding(i, 200, sums="array")
        found = dram_bytes(work, one, machine, "nzp", 1, zeros)
        return found["input"].item() + found["weight"].item()

    # Two filters fit, so that the map stays or passes three times. It stays as 16*16*8 words
    # without its zeros, as 31*31*8 with them.
    once = 16 * 16 * 8 + 9 * 8 * 5
    assert words(16 * 16 * 8, "generated") == once
    assert words(16 * 16 * 8, "expanded") > once
    assert words(31 * 31 * 8, "expanded") == once


def test_zeros_are_generated_or_stored():
    layers = networks("DCGAN")
    with refused("unknown zeros"):
        dram_bytes(lower(layers, "nzp"), layers, PROCESSOR, "nzp", zeros="skipped")


def test_a_policy_places_pixels_for_both_methods():
    # 128 x 128 outputs of 24 bytes: 393216, more than half of 64 KiB; the inserted map, 127 * 127
    # pixels of 8 bytes, too.
    one = table(layer("deconv", (64, 64), (4, 4), (2, 2), (128, 128), 8, 24, before=(1, 1)))
    outputs, real, inserted = 128 * 128 * 24, 64 * 64 * 8, 127 * 127 * 8

    def extra(method, policy, zeros="stored", **fields):
        work = lower(one, method)
        machine = replace(PROCESSOR, **fields)
        found = dram_bytes(work, one, machine, method, 1, zeros, policy)
        return found["interleave"].item()

    assert [extra("sd", policy) for policy in INTERLEAVE] == [0, 128 * 128 * 40, 2 * outputs]
    assert [extra("nzp", policy) for policy in INTERLEAVE] == [
        inserted - real,
        inserted - real,
        inserted + real,
    ]
    assert [extra("nzp", policy, "pass") for policy in INTERLEAVE] == [inserted + real] * 3
    # A map that half the output buffer holds needs no pass.
    assert extra("sd", "pass", output_buffer_kib=2 * outputs / 1024) == 0
    assert extra("nzp", "pass", output_buffer_kib=2 * inserted / 1024) == inserted - real
    # What the processor does if nobody says.
    for method in ("sd", "nzp"):
        assert extra(method, None) == extra(method, "bursts")
        assert extra(method, None, strided_writes=False) == extra(method, "pass")


def test_interleaving_pays_for_bursts_or_for_another_pass_or_for_nothing():
    # 128 x 128 outputs of 24 bytes: 393216, more than half of 64 KiB; of a burst of 64, 40 are lost
    # with every pixel.
    one = table(layer("deconv", (64, 64), (4, 4), (2, 2), (128, 128), 8, 24, before=(1, 1)))
    pixels = 128 * 128

    def extra(method, c_out=24, **fields):
        row = one.assign(c_out=c_out)
        return dram_bytes(lower(row, method), row, replace(PROCESSOR, **fields), method)[
            "interleave"
        ].item()

    for method in ("sd", "sd_trimmed", "paper"):
        assert extra(method) == pixels * 40
        assert extra(method, burst_bytes=8) == 0
        # Of 3 bytes a pixel 61 are lost: reading and writing the output once more is cheaper.
        assert extra(method, c_out=3) == 2 * pixels * 3
    for method in ("rows", "stacked", "nzp", "native"):
        assert extra(method) == 0
    for method in ("sd", "rows", "stacked", "paper"):
        assert extra(method, strided_writes=False) == 2 * pixels * 24
        assert extra(method, strided_writes=False, output_buffer_kib=2 * pixels * 24 / 1024) == 0
    assert extra("nzp", strided_writes=False) == 0
