__version__: str

from . import (
    dlp as dlp,
    layers as layers,
    networks as networks,
    pretrained as pretrained,
    torch as torch,
)
from .convert.api import convert as convert, inspect as inspect
from .convert.verify.compare import verify as verify
from .core.apply import apply as apply
from .core.plan import SplitPlan as SplitPlan, plan as plan
from .errors import SplitDeconvError as SplitDeconvError
from .ops import (
    conv1d_transpose as conv1d_transpose,
    conv2d_transpose as conv2d_transpose,
    conv3d_transpose as conv3d_transpose,
)
from .toolchains.models.export import export as export
from .tuning.api import tune as tune
