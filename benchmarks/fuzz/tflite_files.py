"""TFLite files by number."""

import numpy as np

from benchmarks.fuzz import tflite_around as around
from benchmarks.fuzz.case import Case, chance, draw_options, generator
from benchmarks.fuzz.edges import edge_array
from benchmarks.fuzz.tflite_builder import pack, unpack
from benchmarks.fuzz.tflite_damage import damage
from benchmarks.fuzz.tflite_models import deconv_model

# Each with how often it is there.
_STEPS = (
    (around.packed, 0.25),
    (around.before, 0.25),
    (around.second, 0.3),
    (around.after, 0.3),
    (around.listed, 0.08),
    (around.oddities, 0.2),
    (around.signature, 0.2),
    (around.branched, 0.1),
)


def draw(number):
    """The `number`-th file: four in ten sound, the others injured."""
    case = sound(number)
    rng = generator("tflite", number, 1)
    return case if chance(rng, 0.4) else damage(case, rng)


def sound(number):
    """The sound file that the `number`-th is, or was before it was injured."""
    rng = generator("tflite", number)
    options = draw_options(rng)
    if chance(rng, 0.05):
        return Case("tflite", around.mediapipe(rng), "MediaPipe's operator", {}, (), options)
    case = around.draft_case(rng)
    with np.errstate(all="ignore"):
        draft = around.Draft(rng, unpack(deconv_model(case)), case)
        if case.kind == "float32" and chance(rng, 0.04):
            _edges(draft)
        for step, often in _STEPS:
            if chance(rng, often):
                step(draft)
        data = pack(draft.model)
    story = f"{case.kind} {case}{' dynamic' * case.dynamic}: {', '.join(draft.told) or 'plain'}"
    return Case("tflite", data, story, {}, (), options)


def _edges(draft):
    """Filters with values at the edge of float32."""
    draft.told.append("edge filters")
    buffer = draft.model.buffers[draft.of(draft.named("weights")).buffer]
    values = np.array(buffer.data).view("<f4")
    buffer.data = edge_array(draft.rng, values).view("u1")
