"""The command `vtfilter` of this package: the program, where it is installed.

The program reads and writes video by libav, which a wheel would have to carry a copy of.
"""

from __future__ import annotations

import os
import sys
from typing import List, Optional


def main() -> int:
    """Becomes the first other `vtfilter` on the PATH; says how to get it where there is none."""
    program = _program(os.environ.get("PATH", os.defpath).split(os.pathsep))
    if program is None:
        print(
            "vtfilter: expected the program vtfilter on the PATH, found none but this one, which only\n"
            "starts it. The Python package has the library, not the program: it needs the system's libav,\n"
            "and is installed from vidtwin's checkout by `make install`.", file=sys.stderr)
        return 1
    os.execv(program, [program, *sys.argv[1:]])


def _program(folders: List[str]) -> Optional[str]:
    for folder in folders:
        path = os.path.join(folder or os.curdir, "vtfilter")
        if os.path.isfile(path) and os.access(path, os.X_OK) and not _is_script(path):
            return path
    return None


def _is_script(path: str) -> bool:
    """Whether this is one of the scripts that lead here."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith(b"#!") and b"vidtwin.console" in start
