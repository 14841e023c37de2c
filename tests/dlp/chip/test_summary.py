"""What a processor's values mean, by hand."""

from dataclasses import replace

from splitdeconv.dlp import area, load_processor, roof, summary


def test_figures_are_those_worked_out_by_hand():
    processor = replace(
        load_processor("eyeriss_like"),
        rows=10,
        cols=6,
        clock_mhz=500.0,
        dram_gb_s=4.0,
        word_bits=16,
        accumulator_bits=24,
        input_buffer_kib=10.0,
        weight_buffer_kib=3.0,
        output_buffer_kib=7.0,
        origins=dict.fromkeys(load_processor("eyeriss_like").origins, "datasheet, page 3")
        | {"cols": "from memory", "native": "assumed: none"},
    )
    assert summary(processor) == {
        "name": "eyeriss_like",
        "title": processor.title,
        "number_type": "int16",
        "peak_macs": 60,
        "tops": 2 * 60 * 500e6 / 1e12,
        "dram_bytes_per_cycle": 8.0,
        "ridge": 7.5,
        # Half of 10 KiB are 5,120 bytes.
        "input_words": 2560,
        "weight_words": 768,
        "output_words": 1792,
        # Half of 7 KiB are 28,672 bits.
        "output_sums": 1194,
        **area(processor),
        "unsourced": ["cols", "native"],
    }
    assert roof(processor) == (60, 8.0)
    assert summary("tpu_v5e_like")["number_type"] == "bf16"
