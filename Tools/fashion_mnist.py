"""Writes Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, MIT) as PNG files in a folder for each class, from the Debian package `dataset-fashion-mnist`.

    sudo apt-get install dataset-fashion-mnist
    python Tools/fashion_mnist.py CLASSES
    mafin collection images CLASSES --output DATA                                     # all ten classes in every split
    mafin collection images CLASSES --output DATA --held-out-classes 2,2 --seed 1     # six in train, two in dev, two in test

Needs only Python's standard library.
"""

import argparse
import gzip
import pathlib
import struct
import zlib

NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
SIDE = 28


def png(pixels):
    """A greyscale picture of 28 x 28 bytes as a PNG file."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + pixels[start : start + SIDE] for start in range(0, SIDE * SIDE, SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--pictures", type=int, default=250, help="pictures of a class (default: 250)")
    parser.add_argument(
        "--source", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"), help="where the package's files are")
    options = parser.parse_args()

    def values(name, header):
        return gzip.decompress((options.source / f"train-{name}-ubyte.gz").read_bytes())[header:]

    pixels, labels = values("images-idx3", 16), values("labels-idx1", 8)
    counts = dict.fromkeys(NAMES, 0)
    for index, label in enumerate(labels):
        name = NAMES[label]
        if counts[name] == options.pictures:
            continue
        (options.output / name).mkdir(parents=True, exist_ok=True)
        picture = pixels[index * SIDE * SIDE : (index + 1) * SIDE * SIDE]
        (options.output / name / f"{counts[name]:05}.png").write_bytes(png(picture))
        counts[name] += 1
    print(f"{options.output}: {sum(counts.values())} pictures in {len(counts)} classes")


if __name__ == "__main__":
    main()
