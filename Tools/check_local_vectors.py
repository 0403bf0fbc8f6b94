#!/usr/bin/env python3
"""Compares the vectors that mafin computes with an encoder as `local:` black box with vectors that were stored earlier, by another program.

    python3 Tools/check_local_vectors.py --mafin .build/release/mafin --encoder FOLDER --trained FOLDER --data COLLECTION --vectors FOLDER

encoder   the folder of the black box, such as all-mpnet-base-v2 (Tools/embed_sample.py says where to get it)
trained   the folder of any small encoder, since mafin trains one beside the black box
vectors   {corpus,queries}.npy and .ids of the same collection by the same model

It takes the first queries of each split with a few of their answers, trains for some seconds, and reads the vectors from the cache.
It needs numpy. The exit status is 1 if a number differs by more than --tolerance.
"""
import argparse
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

import numpy


def write_part(source, target, per_split=12, answers=3):
    """Writes a small part of a collection."""
    (target / "qrels").mkdir(parents=True)
    documents, queries = set(), set()
    for split in ("train", "dev", "test"):
        kept = {}
        for line in (source / f"qrels/{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            query, document, _ = line.split("\t")
            if query not in kept and len(kept) == per_split:
                continue
            lines = kept.setdefault(query, [])
            if len(lines) < answers:
                lines.append(line)
                queries.add(query)
                documents.add(document)
        rows = ["query-id\tcorpus-id\tscore"] + [line for lines in kept.values() for line in lines]
        (target / f"qrels/{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name, ids in (("corpus", documents), ("queries", queries)):
        with open(source / f"{name}.jsonl", encoding="utf-8") as lines, open(target / f"{name}.jsonl", "w", encoding="utf-8") as out:
            out.writelines(line for line in lines if json.loads(line)["_id"] in ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("mafin", "encoder", "trained", "data", "vectors"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_part(options.data, folder / "part")
        subprocess.run(
            [options.mafin, "train", "--data", folder / "part", "--black-box", f"local:{options.encoder}", "--encoder",
             options.trained, "--output", folder / "artefact", "--time", "5s"],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "MAFIN_CACHE": str(folder / "cache")})
        with sqlite3.connect(folder / "cache/embeddings.sqlite") as cache:
            computed = numpy.stack([numpy.frombuffer(row[0], numpy.float32) for row in cache.execute("SELECT value FROM vector")])
    computed = computed / numpy.linalg.norm(computed, axis=1, keepdims=True)
    stored = numpy.concatenate(
        [numpy.load(options.vectors / f"{name}.npy").astype(numpy.float32) for name in ("corpus", "queries")])
    nearest = stored[(computed @ stored.T).argmax(axis=1)]
    differences = numpy.abs(nearest - computed).max(axis=1)
    print(f"{len(computed)} texts, {computed.shape[1]} numbers each: the largest difference is {differences.max():.1e}, "
          f"the median of each text's largest is {numpy.median(differences):.1e}")
    sys.exit(differences.max() > options.tolerance)


if __name__ == "__main__":
    main()
