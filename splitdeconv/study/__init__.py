"""The evidence of this repository: tables, statistics, charts. Not part of the wheel."""
