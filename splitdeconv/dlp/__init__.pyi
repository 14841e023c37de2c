from . import cycles as cycles
from .chip.area import area as area
from .chip.summary import summary as summary
from .chip.template import template as template
from .compare import (
    compare as compare,
    mac_limit as mac_limit,
    sensitivity as sensitivity,
    speedup as speedup,
)
from .design_space.opened import open_sweep as open_sweep
from .design_space.quantiles import Quantiles as Quantiles
from .design_space.reduction import Front as Front, Least as Least
from .design_space.sweep import sweep as sweep
from .export.convolutions import convolutions as convolutions, export as export
from .imports.importing import import_processor as import_processor
from .lowering import METHODS as METHODS
from .pareto import pareto as pareto
from .processor import (
    Processor as Processor,
    Technology as Technology,
    load_processor as load_processor,
    load_technology as load_technology,
    processors as processors,
    technologies as technologies,
)
from .roofline import roof as roof, roofline as roofline
from .simulate import simulate as simulate
from .traffic.mapping import mapping as mapping
from .workload import workload as workload
