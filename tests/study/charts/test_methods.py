"""Each method has one name and one colour, whatever form or model it comes from."""

from splitdeconv.figures import COLOURS
from splitdeconv.study.charts.methods import (
    METHOD_COLOURS,
    method_name,
    runtime_name,
    variant_colours,
)


def test_variants_of_a_method_are_tints_of_its_colour():
    colours = variant_colours(["nzp", "sd", "sd-A", "sd-WA"])
    assert len(set(colours.values())) == 4
    light, plain, dark = (sum(colours[name]) for name in ("sd-A", "sd", "sd-WA"))
    assert light > plain > dark


def test_one_computation_has_one_name_and_one_colour():
    for names in (("split", "sd_trimmed"), ("paper", "sd")):
        assert len({method_name(name) for name in names}) == 1
        assert len({METHOD_COLOURS[name] for name in names}) == 1
    assert METHOD_COLOURS["sd_trimmed"] == COLOURS["split"]
    words = [method_name(name) for name in COLOURS]
    assert len(set(words)) == len(words)


def test_what_is_skipped_is_named():
    assert method_name("nzp-A") == "zero insertion, zero activations skipped"
    assert method_name("sd-WA") == "split, filters extended, zeros skipped"


def test_forms_of_images_and_runtimes_have_names():
    assert method_name("split int8") == "split in int8"
    assert method_name("shi_truncated") == "Shi (kernel cut)"
    assert runtime_name("litert int8, 1 thread") == "LiteRT int8"
    assert runtime_name("onnxruntime float32, 2 threads") == "ONNX Runtime float32, 2 threads"
