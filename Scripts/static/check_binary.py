"""Fails if a program or library needs a newer glibc than it should, or a library that not every Linux has. Prints the floor.

    check_binary.py FILE --most 2.28
"""

import argparse
import re
import subprocess
import sys

# What PEP 600 lets a wheel expect of every Linux, as far as it is needed here.
EVERYWHERE = re.compile(r"(libc|libm|libpthread|libdl|librt|libutil|libgcc_s|ld-linux-[\w-]+)\.so\.\d+$")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--most", required=True, help="the highest version of glibc that may be needed")
    arguments = parser.parse_args()

    def lines(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    def number(version):
        return tuple(int(part) for part in version.split("."))

    faults, floor, has_memcpy = [], "0", False
    for line in lines("objdump", "-T", arguments.file):
        found = re.search(r"\*UND\*.*?(\S+)$", line)
        if not found:
            continue
        has_memcpy |= found.group(1) == "memcpy"
        version = re.search(r"\(?(GLIBC|GCC|GLIBCXX|CXXABI)_(\d[\d.]*)\)?", line)
        if version is None:
            # A weak symbol may be missing.
            if not re.match(r"\S+\s+w\s", line):
                faults.append(f"the symbol {found.group(1)} is in no library")
        elif version.group(1) == "GLIBC":
            floor = max(floor, version.group(2), key=number)
            if number(version.group(2)) > number(arguments.most):
                faults.append(f"the symbol {found.group(1)} needs glibc {version.group(2)}")
        elif version.group(1) != "GCC":
            faults.append(f"the symbol {found.group(1)} needs libstdc++")
    if not has_memcpy:
        faults.append("it has a memcpy of its own in place of glibc's, which is slower: the linker took it from another runtime")
    for line in lines("objdump", "-p", arguments.file):
        needed = re.match(r"\s+NEEDED\s+(\S+)", line)
        if needed and not EVERYWHERE.match(needed.group(1)):
            faults.append(f"it needs {needed.group(1)}")
    if faults:
        sys.exit("\n".join(f"error: {arguments.file}: {fault}" for fault in faults))
    print(f"{arguments.file}: glibc {floor} or newer")


main()
