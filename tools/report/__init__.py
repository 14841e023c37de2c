"""The reproduction report: what the paper claims, what comes out here, and a verdict on each claim.

``python -m tools.report [--quick]`` reads `claims.yaml`, takes every value from the tables that
`make reproduce` wrote, and builds build/report.html and build/report.pdf. `--record` keeps the
values as those to expect from now on, and `--readme` writes the README's copy of the table.
"""
