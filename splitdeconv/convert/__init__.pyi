from .api import Result as Result, convert as convert, inspect as inspect
from .report import Report as Report, Verification as Verification
from .verify.compare import verify as verify
