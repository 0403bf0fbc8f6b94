"""``python -m mafin_embeddings …`` is the program ``mafin …``."""

from __future__ import annotations

import os
import subprocess
import sys

from .errors import MafinError
from .program import program_path


def main() -> int:
    """Replaces this process by the program."""
    try:
        program = program_path()
    except MafinError as error:
        print(f"error: {error}", file=sys.stderr)
        return 70
    if sys.platform == "win32":
        return subprocess.call([program, *sys.argv[1:]])
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
