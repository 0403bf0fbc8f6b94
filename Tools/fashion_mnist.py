"""Writes Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, MIT) as a collection of PNG files, from the Debian package `dataset-fashion-mnist`.

    sudo apt-get install dataset-fashion-mnist
    python Tools/fashion_mnist.py DATA                  # all ten classes in every split
    python Tools/fashion_mnist.py DATA --held-out 1     # six classes in train, two in dev, two in test; draws 1, 2, 3

Documents are pictures of the training set, queries of the test set. Needs only Python's standard library.
"""

import argparse
import gzip
import pathlib
import struct
import zlib

import image_classes

NAMES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
SIDE = 28


def png(pixels):
    """A greyscale picture of 28 x 28 bytes as a PNG file."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + pixels[start : start + SIDE] for start in range(0, SIDE * SIDE, SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def read(folder, part):
    def values(name, header):
        return gzip.decompress(next(folder.rglob(f"{part}-{name}-idx?-ubyte.gz")).read_bytes())[header:]

    pixels, labels = values("images", 16), values("labels", 8)
    assert len(pixels) == len(labels) * SIDE * SIDE
    found = {name: [] for name in NAMES}
    for index, label in enumerate(labels):
        picture = pixels[index * SIDE * SIDE : (index + 1) * SIDE * SIDE]
        found[NAMES[label]].append(lambda picture=picture: png(picture))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    image_classes.arguments(parser)
    parser.add_argument("--source", type=pathlib.Path, default=pathlib.Path("/usr/share"), help="where the package's files are")
    options = parser.parse_args()
    image_classes.write(options, read(options.source, "train"), read(options.source, "t10k"), ".png")


if __name__ == "__main__":
    main()
