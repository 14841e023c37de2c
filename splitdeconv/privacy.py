"""No telemetry: what makes each library that this package loads report nothing to its maker.

ONNX Runtime's wheels for Linux write a device id and events under the home folder and send them.
OpenVINO reports its import to a web analytics service through a package of its own, which it does
without where it is missing. TensorFlow and JAX switch on what libtpu counts. Keras, LiteRT, Dask,
papermill and Jupyter's kernels report nothing.
"""

import os
import sys

#: Environment variables for every process that loads one of these libraries.
VARIABLES: dict[str, str] = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime
    "ENABLE_RUNTIME_UPTIME_TELEMETRY": "0",  # libtpu; TensorFlow and JAX set it to 1 unless it is set
}
# Packages that only report, and no variable stops; OpenVINO tries to import this one and goes on
# without it.
_REPORTERS = ("openvino_telemetry",)


def protect() -> None:
    """Switch telemetry off in this process; of use only before the libraries are imported.

    Example:
        >>> import os
        >>> from splitdeconv import privacy
        >>> privacy.protect()
        >>> os.environ["ORT_DISABLE_TELEMETRY"]
        '1'
    """
    os.environ.update(VARIABLES)
    for name in _REPORTERS:
        # None is Python's own mark for a module that cannot be imported; one that is in use stays.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
