"""Runs the samples for Ray and Spark and compares with 'mafin embed', bit by bit.

    check_distributed_samples.py --mafin MAFIN --artefact ART --python PYTHON [--data Samples/handbook]

PYTHON has mafin_embeddings, numpy, pyarrow, and ray or pyspark (with a Java); the sample of a package that it lacks is not run, which is said.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]

COMPARE = """
import glob, sys
import numpy as np, pyarrow.parquet as parquet
whole, ids, output, ordered = np.load(sys.argv[1]), open(sys.argv[2]).read().split("\\n")[:-1], sys.argv[3], sys.argv[4] == "ordered"
tables = [parquet.read_table(name) for name in sorted(glob.glob(output + "/*.parquet"))]
found = {}
order = []
for table in tables:
    for id, vector in zip(table["id"].to_pylist(), table["vector"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)):
        assert id not in found, f"{id} is there twice"
        found[id] = vector
        order.append(id)
assert sorted(found) == sorted(ids), f"{len(found)} of {len(ids)} texts"
assert not ordered or order == ids, "the order is not that of the corpus"
for row, id in enumerate(ids):
    assert found[id].tobytes() == whole[row].tobytes(), f"the vector of {id} differs"
print(f"{len(ids)} vectors of {whole.shape[1]} numbers, equal bit by bit, in {len(tables)} files")
"""


def main():
    parser = argparse.ArgumentParser()
    for name in ["mafin", "artefact", "python"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--data", default=str(ROOT / "Samples" / "handbook"))
    given = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    corpus = pathlib.Path(given.data) / "corpus.jsonl"
    subprocess.run([given.mafin, "embed", given.artefact, "--input", corpus, "--as", "document", "--output", folder / "whole.npy", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)
    ran = 0
    for name, package, order in [("ray_embed", "ray", "ordered"), ("spark_embed", "pyspark", "any")]:
        if subprocess.run([given.python, "-c", f"import {package}"], stderr=subprocess.DEVNULL).returncode != 0:
            print(f"{name}: not run, {given.python} has no {package}")
            continue
        subprocess.run([given.python, ROOT / "Samples" / "distributed" / f"{name}.py", given.artefact, corpus, folder / name, "--workers", "2",
                        "--vectors", pathlib.Path(given.data) / "black-box", "--data", given.data], check=True)
        print(f"{name}: ", end="", flush=True)
        subprocess.run([given.python, "-c", COMPARE, folder / "whole.npy", folder / "whole.ids", folder / name, order], check=True)
        ran += 1
    shutil.rmtree(folder)
    if not ran:
        sys.exit("neither ray nor pyspark is there")


if __name__ == "__main__":
    main()
