from .front import Result as Result
from .front import convert as convert
from .front import inspect as inspect
from .report import Report as Report
from .report import Verification as Verification
from .verify import verify as verify
