"""The columns of data/measured/models.csv, and what its rows say."""

NAME = "models"
KEY = ["network", "export"]
COLUMNS = (
    *KEY,
    "family",
    "make",
    "version",
    "format",
    "operators",
    "layers",
    "axes",
    "outcome",
    "converted",
    "refused",
    "reason",
    "rounding",
    "error",
    "bytes",
    "bytes_after",
    "seconds",
    "memory_mib",
    "gain",
    "gain_low",
    "gain_high",
    "gain_reason",
    "target",
    "target_converted",
    "target_error",
    "tuned",
    "tuned_gain",
    "tuned_gain_low",
    "tuned_gain_high",
    "tuned_gain_reason",
    "tuned_reason",
)
# Differences over the largest value that rounding explains. A sum of float32 products, 1e4 at
# most, may be taken in another order, in each of up to a hundred layers: (1e4)**0.5 * 2**-24 * 100
# is 6e-4, of which layers after layers keep less. Values of float16 have 2**-11, twenty layers of
# which are 1e-2. Quantized layers round to steps of 2**-8 of their range, and a step of one layer
# may become several of the next.
_ROUNDING = {"float32": 6e-4, "float16": 2e-2, "int": 6e-2}


def allowed(export, rounding=None):
    """The difference that rounding explains in a file that was exported in this way.

    Args:
        export: how the file was made.
        rounding: how far the file is from the network before it was quantized. In a deep network
            one step may grow to many: a conversion may then be as far again, but not farther.
    """
    words = set(export.split())
    if words & {"int8", "int16x8"}:
        return max(_ROUNDING["int"], rounding or 0.0)
    return _ROUNDING["float16" if "float16" in words else "float32"]


def complete(table, entry, times):
    """Whether the table has all that is asked about an entry, with or without times."""
    rows = table[(table["network"] == entry.network) & (table["export"] == entry.export)]
    if not len(rows):
        return False
    (row,) = rows.to_dict("records")
    asked = times and entry.timed and row["outcome"] == "converted"
    return not asked or isinstance(row["tuned"], str)
