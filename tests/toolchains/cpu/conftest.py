"""Files that the tests of the runtimes share."""

import pytest

from splitdeconv.toolchains.models import benchmark as models, tflite as litert
from tests.toolchains.cpu.deconv import layer


@pytest.fixture(scope="module")
def files():
    native = litert.export(layer())
    return {form: models.rewritten(native, form)[0] for form in ("native", "nzp", "split")}
