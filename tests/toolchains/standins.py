"""Executables that stand in for a toolchain in the ways a real one can go wrong."""

import stat


def executable(path, script):
    """A shell script at `path` that can be run."""
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
