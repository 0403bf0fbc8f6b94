"""Writes Tests/MafinProvidersTests/Goldens/package.whl and package.json: a small wheel with stored and deflated entries, made by Python's own
zipfile, and the SHA-256 of the wheel and of the files that are taken from it.

    python3 Tools/write_package_golden.py
"""

import hashlib
import json
import pathlib
import zipfile

GOLDENS = pathlib.Path(__file__).resolve().parent.parent / "Tests/MafinProvidersTests/Goldens"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    # Longer than the reader's buffer, and compressible only in part.
    "model.safetensors": bytes((place * 2654435761 >> 13) & 15 for place in range(400_000)),
    "empty.json": b"",
}


def main():
    path = GOLDENS / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        def add(name, data, method):
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            info.compress_type = method
            archive.writestr(info, data)

        add("tiny/__init__.py", b"# not taken\n", zipfile.ZIP_DEFLATED)
        for number, (name, data) in enumerate(FILES.items()):
            add(f"tiny/model/{name}", data, zipfile.ZIP_STORED if number == 1 else zipfile.ZIP_DEFLATED)
        add("tiny/model/notes.txt", b"not in the list\n", zipfile.ZIP_STORED)
        archive.comment = b"a comment at the end"
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    record = {"wheel": hashlib.sha256(path.read_bytes()).hexdigest(), "files": hashes}
    (GOLDENS / "package.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


main()
