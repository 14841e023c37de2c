"""Models that the command line is given, and what it leaves in a folder."""

from tests.convert.verify.test_onnx import onnx_up
from tests.formats.tflite.models import Deconv, deconv_model

CASE = Deconv(sizes=(6, 5), kernel=(5, 4), cin=5, cout=6)
MODELS = {"tflite": deconv_model(CASE), "onnx": onnx_up().SerializeToString()}


def listing(folder):
    """Names and contents of a folder's files."""
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
