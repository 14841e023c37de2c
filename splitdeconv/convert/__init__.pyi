from .api import Result as Result
from .api import convert as convert
from .api import inspect as inspect
from .report import Report as Report
from .report import Verification as Verification
from .verify.compare import verify as verify
