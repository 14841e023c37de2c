"""No telemetry: settings that stop libraries that this package loads from reporting.

ONNX Runtime's wheels for Linux write a device id and events under the home folder and send them.
OpenVINO reports its import to a web analytics service through a separate package, and works without
that package. TensorFlow and JAX enable libtpu's statistics. Keras, LiteRT, Dask, papermill and
Jupyter's kernels report nothing.
"""

import os
import sys

#: Environment variables for every process that loads one of these libraries.
VARIABLES: dict[str, str] = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime
    "ENABLE_RUNTIME_UPTIME_TELEMETRY": "0",  # libtpu; unless set, TensorFlow and JAX set it to 1
}
# Packages that only report and that no variable disables. OpenVINO tries to import this one and
# works without it.
_REPORTERS = ("openvino_telemetry",)


def protect() -> None:
    """Switch telemetry off in this process; only effective before the libraries are imported.

    Example:
        >>> import os
        >>> from splitdeconv import privacy
        >>> privacy.protect()
        >>> os.environ["ORT_DISABLE_TELEMETRY"]
        '1'
    """
    os.environ.update(VARIABLES)
    for name in _REPORTERS:
        # None is Python's own mark for a module that cannot be imported. A module already in use is
        # kept.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
