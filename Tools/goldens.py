"""Shared by the writers of golden files: the check of the installed versions, and the record of them."""

import pathlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

LOCK = pathlib.Path(__file__).resolve().with_name("requirements.lock")
HEADER = """# Goldens

What the tests of this module compare with. The scripts write this table; `Tools/README.md` says how to run them.

| File | Script in `Tools/` | Made with |
|---|---|---|
"""


def check(*packages):
    """The versions of `packages`, by name. Ends the program if one differs from requirements.lock."""
    lines = [line for line in LOCK.read_text().splitlines() if "==" in line and not line.startswith("#")]
    locked = dict(line.replace("_", "-").split("==") for line in lines)
    found = {}
    for package in packages:
        try:
            # Removes the name of the build, as in 2.13.0+cpu.
            found[package] = version(package).split("+")[0]
        except PackageNotFoundError:
            found[package] = "missing"
    wrong = [f"{name} is {found[name]}, not {locked[name]}" for name in packages if found[name] != locked[name]]
    if wrong:
        sys.exit(f"{', '.join(wrong)}: install Tools/requirements.lock, see Tools/README.md")
    return found


def record(folder, script, versions, *files):
    """Records in README.md of `folder` which script made `files`, and with which versions."""
    readme = folder / "README.md"
    rows = {}
    if readme.exists():
        for line in readme.read_text().splitlines():
            if line.startswith("| `"):
                rows[line.split("`")[1]] = line
    made_with = ", ".join([f"Python {platform.python_version()}", *(f"{n} {v}" for n, v in sorted(versions.items()))])
    for file in files:
        rows[file] = f"| `{file}` | `{pathlib.Path(script).name}` | {made_with} |"
    readme.write_text(HEADER + "\n".join(rows[name] for name in sorted(rows)) + "\n")
