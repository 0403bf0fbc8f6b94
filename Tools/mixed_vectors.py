"""Makes a large set of vectors that lie as real ones do: mixtures of a real passage and two of its 16 nearest, with noise.

    python Tools/mixed_vectors.py --shared ../shared --rows 200000 [--columns 384] FOLDER

reads   vectors of the shared folder (scifact, nfcorpus, fiqa-mini, cranfield: 768 numbers, one model)
writes  FOLDER/rows.npy      float32, shape (rows, columns), unit rows
        FOLDER/queries.npy   float32, shape (200, columns), unit rows: real queries, 50 of each collection
"""

import argparse
import pathlib

import numpy

COLLECTIONS = ["scifact", "nfcorpus", "fiqa-mini", "cranfield"]


def unit(rows):
    return (rows / numpy.linalg.norm(rows, axis=1, keepdims=True)).astype(numpy.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--columns", type=int, default=384, help="up to 768 by PCA, more by rotations beside each other")
    arguments = parser.parse_args()
    columns = arguments.columns
    arguments.folder.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(1)

    def read(name):
        return [numpy.load(arguments.shared / "vectors" / collection / name).astype(numpy.float32) for collection in COLLECTIONS]

    passages = unit(numpy.concatenate(read("corpus.npy")))
    queries = numpy.concatenate([rows[random.permutation(len(rows))[:50]] for rows in read("queries.npy")])
    width = passages.shape[1]
    if columns <= width:
        directions = numpy.linalg.eigh(passages.T @ passages)[1][:, ::-1][:, :columns].astype(numpy.float32)
    else:
        # Rotations beside each other keep the distances.
        rotations = [numpy.linalg.qr(random.standard_normal((width, width)))[0] for _ in range(0, columns, width)]
        directions = numpy.concatenate(rotations, axis=1)[:, :columns].astype(numpy.float32)
    passages = unit(passages @ directions)
    numpy.save(arguments.folder / "queries.npy", unit(queries @ directions))
    nearest = numpy.concatenate([
        numpy.argpartition(-(passages[start:start + 1000] @ passages.T), 17, axis=1)[:, :17] for start in range(0, len(passages), 1000)])

    rows = numpy.lib.format.open_memmap(arguments.folder / "rows.npy", "w+", numpy.float32, (arguments.rows, columns))
    for start in range(0, arguments.rows, 50_000):
        count = min(50_000, arguments.rows - start)
        first = random.integers(0, len(passages), count)
        second, third = (nearest[first, random.integers(0, 17, count)] for _ in range(2))
        a = random.random((count, 1), dtype=numpy.float32)
        b = random.random((count, 1), dtype=numpy.float32) * (1 - a)
        noise = random.standard_normal((count, columns), dtype=numpy.float32) * (0.5 / columns ** 0.5)
        rows[start:start + count] = unit((1.3 - a - b) * passages[first] + a * passages[second] + b * passages[third] + noise)
    rows.flush()


if __name__ == "__main__":
    main()
