"""Writes a wheel (PEP 427) with the program, the shared library and the Python package. Prints its path.

Files are compressed by libdeflate (`pip install deflate`), whose form of zlib's format is some per cent smaller. Files are in a fixed order and have a fixed time, so that equal contents give equal wheels.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib

import deflate

NAME = "mafin-embeddings"
MODULE = "mafin_embeddings"
SUMMARY = "Adapt an embedding API that cannot be fine-tuned: train a small open encoder beside it, and test whether that is worth it"
CLASSIFIERS = [
    "Development Status :: 4 - Beta",
    "Environment :: Console",
    "Intended Audience :: Developers",
    "Intended Audience :: Science/Research",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3 :: Only",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Topic :: Text Processing :: Indexing",
    "Typing :: Typed",
]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def version():
    """The version of the Swift library in the form of PEP 440: 0.1.0-dev is 0.1.0.dev0."""
    source = (ROOT / "Sources/MafinPipeline/Artefact/LibraryVersion.swift").read_text(encoding="utf-8")
    found = re.search(r'version: "(\d+\.\d+\.\d+)(-dev)?"', source)
    if not found:
        sys.exit("error: LibraryVersion.swift: expected a version like 1.2.3 or 1.2.3-dev")
    return found.group(1) + (".dev0" if found.group(2) else "")


# Libraries of this machine whose code link_static.py puts into the program and the library.
LIBRARIES = ["z", "png", "jpeg", "sqlite3", "stdc++"]
# Headers of this machine whose code the compiler puts there.
HEADERS = ["hnswlib/hnswlib.h"]


def metadata(number, third_party):
    license_expression = "Apache-2.0" if "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8") else None
    if license_expression is None:
        sys.exit("error: LICENSE: its SPDX expression is not known here")
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {NAME}",
        f"Version: {number}",
        f"Summary: {SUMMARY}",
        f"License-Expression: {license_expression}",
        "License-File: LICENSE",
        *(f"License-File: {name}" for name in third_party),
        "Requires-Python: >=3.9",
        # For vectors. The program needs no Python at all.
        "Requires-Dist: numpy>=1.21",
        *(f"Classifier: {classifier}" for classifier in CLASSIFIERS),
        "Description-Content-Type: text/markdown",
        "",
        (ROOT / "Python/DESCRIPTION.md").read_text(encoding="utf-8"),
    ]
    return "\n".join(lines)


class Compressor:
    """libdeflate at its highest level in place of zlib's compressor. It needs all data at once, and a wheel's files are small enough for that."""

    def __init__(self):
        self.data = []

    def compress(self, data):
        self.data.append(bytes(data))
        return b""

    def flush(self):
        return bytes(deflate.deflate_compress(b"".join(self.data), 12))


class Archive(zipfile.ZipFile):
    """A ZIP file whose entries are compressed by ``Compressor``."""

    def writestr(self, info, data):
        # zipfile takes its compressor from zlib and has no other way to choose one.
        original = zlib.compressobj
        zlib.compressobj = lambda *arguments: Compressor()
        try:
            super().writestr(info, data)
        finally:
            zlib.compressobj = original


class Wheel:
    """A wheel that is being written."""

    def __init__(self, path, dist_info):
        self.archive = Archive(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self.dist_info = dist_info
        self.record = []

    def add(self, name, data, executable=False):
        info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = (0o100755 if executable else 0o100644) << 16
        self.archive.writestr(info, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f'"{name}",sha256={digest},{len(data)}' if "," in name else f"{name},sha256={digest},{len(data)}")

    def add_folder(self, name, folder):
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            self.add(f"{name}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def finish(self):
        record = f"{self.dist_info}/RECORD"
        info = zipfile.ZipInfo(record, date_time=(2020, 1, 1, 0, 0, 0))
        info.external_attr = 0o100644 << 16
        self.archive.writestr(info, "\n".join([*self.record, f"{record},,"]) + "\n")
        self.archive.close()
        with zipfile.ZipFile(self.archive.filename) as written:
            if damaged := written.testzip():
                sys.exit(f"error: {damaged} cannot be read from the wheel")


def licenses(checkouts):
    """Licences and notices of what is inside the program and the library, by name: packages, libraries of this machine, Swift's runtime."""
    found = {}
    used = []
    for name in LIBRARIES:
        shown = subprocess.run(["clang", f"-print-file-name=lib{name}.a"], check=True, capture_output=True, text=True)
        used.append(os.path.realpath(shown.stdout.strip()))
    for name in HEADERS:
        shown = subprocess.run(["clang++", "-M", "-x", "c++", "-"], check=True, capture_output=True, text=True, input=f"#include <{name}>\n")
        used.append(next((path for path in shown.stdout.split() if path.endswith("/" + name)), name))
    for path in used:
        try:
            owner = subprocess.run(["dpkg", "-S", path], check=True, capture_output=True, text=True).stdout.split(":")[0]
            found[f"third-party/{owner}/copyright"] = pathlib.Path("/usr/share/doc", owner, "copyright").read_bytes()
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"error: the licence of {path} is not found, and a wheel must hold it: {error}")
    compiler = pathlib.Path(shutil.which("swiftc") or sys.exit("error: swiftc is not on the PATH")).resolve()
    found["third-party/swift/LICENSE.txt"] = (compiler.parent.parent / "share/swift/LICENSE.txt").read_bytes()
    packages = sorted(path for path in checkouts.glob("*") if path.is_dir())
    if not packages:
        sys.exit(f"error: {checkouts}: the packages of the program are not there, so their licences are not known")
    for package in packages:
        for file in sorted(package.iterdir()):
            if re.match(r"(LICEN[CS]E|NOTICE|COPYING)(\.\w+)?$", file.name, re.IGNORECASE):
                found[f"third-party/{package.name}/{file.name}"] = file.read_bytes()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["program", "library", "share", "header", "package", "checkouts", "output"]:
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--largest", type=int, required=True, help="megabytes that the wheel may have")
    arguments = parser.parse_args()

    if not (arguments.package / "__init__.py").exists():
        sys.exit(f"error: {arguments.package}: there is no Python package")
    number = version()
    dist_info, data = f"{MODULE}-{number}.dist-info", f"{MODULE}-{number}.data"
    final = arguments.output / f"{MODULE}-{number}-{arguments.tag}.whl"
    handle, temporary = tempfile.mkstemp(dir=arguments.output, suffix=".part")
    os.close(handle)
    try:
        wheel = Wheel(temporary, dist_info)
        wheel.add_folder(MODULE, arguments.package)
        wheel.add(f"{MODULE}/{arguments.library.name}", arguments.library.read_bytes())
        wheel.add(f"{MODULE}/mafin.h", arguments.header.read_bytes())
        wheel.add(f"{data}/scripts/mafin", arguments.program.read_bytes(), executable=True)
        wheel.add_folder(f"{data}/data/share", arguments.share)
        third_party = licenses(arguments.checkouts)
        wheel.add(f"{dist_info}/METADATA", metadata(number, third_party).encode())
        tags = f"Wheel-Version: 1.0\nGenerator: mafin make_wheel.py\nRoot-Is-Purelib: false\nTag: {arguments.tag}\n"
        wheel.add(f"{dist_info}/WHEEL", tags.encode())
        wheel.add(f"{dist_info}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes())
        for name, text in third_party.items():
            wheel.add(f"{dist_info}/licenses/{name}", text)
        wheel.finish()
        size = os.path.getsize(temporary)
        if size > arguments.largest * 1_000_000:
            sys.exit(f"error: the wheel has {size} bytes, more than {arguments.largest} MB")
        os.chmod(temporary, 0o644)
        os.replace(temporary, final)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    print(final)


main()
