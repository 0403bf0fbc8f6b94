"""Compares speed and memory of exact top-100 search with faiss, numpy and usearch on the same vectors. All take turns.

    swift build -c release --package-path Benchmarks --product bench-search
    PEER-HOME/venv/bin/python Tools/bench-search.py --shared ../shared [--shapes 50000x1920 1000000x384] [--threads 1 2] [--rounds 3]

The peers are `bench/search_speed.py` of the shared folder: random unit rows in memory, float32, 100 queries. We search the same rows
in a mapped `.npy` file: float32, float32 with one byte of every element in memory ("approximated"), and float16. Each process warms up,
and its best round of 15 counts. The medians of these over the rounds are compared. Our own process also times matrix products (1,536
cubed) and reading the file: "of GEMM" and "of read" are shares of these. The results are checked against numpy's products.

With bytes, our time depends on the numbers; the peers' does not. `--vectors FOLDER` searches rows.npy of that folder for the first 100
of queries.npy, as Tools/mixed_vectors.py makes them. The peers then search random rows of the same shape.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import peers as P

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ["faiss", "numpy", "usearch"]
TOP = 100
OURS = {"mafin": ["rows.npy"], "mafin approximated": ["rows.npy", "--approximated"], "mafin float16": ["half.npy"]}


HEADER = ["vectors", "threads", "", "one query, ms", "a query of 100, ms", "memory, MB", "one query to the best peer", "100 to numpy",
          "100 to faiss", "one query: share of reading", "100: share of products", "largest difference of a score"]


def cells(line, peers):
    """A line of the table. Its ratios are of times in the same run."""
    row = [line["shape"].replace("x", " × "), line["threads"], line["engine"], f"{line['wall 1']:.2f}", f"{line['wall 100'] / 100:.3f}",
           f"{line['memory']:,.0f}"]
    if not line["engine"].startswith("mafin"):
        return row + [""] * 6
    ratio = line["ratio"]
    return row + [min(ratio[f"{peer} 1"] for peer in peers), ratio.get("numpy 100", ""), ratio.get("faiss 100", ""),
                  f"{line['of read']:.2f}", f"{line['of GEMM']:.2f}", line["largest score difference"]]


def last_json(command, **options):
    lines = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **options).stdout
    return json.loads(lines.splitlines()[-1])


def make_vectors(folder, rows, columns, source):
    """The rows and queries of search_speed.py or of a folder, and the scores of each query's best rows, in numpy's float32."""
    if source:
        vectors, queries = np.load(source / "rows.npy", mmap_mode="r"), np.load(source / "queries.npy")[:100]
        (folder / "rows.npy").symlink_to((source / "rows.npy").resolve())
        np.save(folder / "queries.npy", queries)
        return best_scores(vectors, queries)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, columns), dtype=np.float32)
    for start in range(0, rows, 50000):
        vectors[start:start + 50000] /= np.linalg.norm(vectors[start:start + 50000], axis=1, keepdims=True)
    queries = rng.standard_normal((100, columns), dtype=np.float32)
    np.save(folder / "rows.npy", vectors)
    np.save(folder / "queries.npy", queries)
    return best_scores(vectors, queries)


def best_scores(vectors, queries):
    best = np.empty((len(queries), TOP))
    for number in range(0, len(queries), 10):
        scores = queries[number:number + 10] @ vectors.T
        best[number:number + 10] = -np.sort(-np.partition(scores, -TOP, axis=1)[:, -TOP:], axis=1)
    return best


def check(folder, name, best):
    """The largest difference between the scores of the rows that we found (in double precision) and the best scores."""
    vectors = np.load(folder / "rows.npy", mmap_mode="r")
    queries = np.load(folder / "queries.npy").astype(np.float64)
    found = np.load(folder / name).astype(np.int64)
    assert all(len(set(row)) == TOP for row in found)
    scores = np.stack([vectors[row].astype(np.float64) @ query for row, query in zip(found, queries)])
    return float(np.abs(-np.sort(-scores, axis=1) - best).max())


def shares(batches, row):
    """Our speed as a share of the speed of reading and of products, by the clock and by processor seconds."""
    figures = {}
    for name, clock in [("", "gigaPerSecond"), (" by CPU", "gigaPerCPUSecond")]:
        figures["of read" + name] = batches[1]["bytes"][clock] / row["read"][clock]
        figures["of GEMM" + name] = batches[100]["operations"][clock] / row["product"][clock]
        figures["GEMM" + name], figures["read" + name] = row["product"][clock], row["read"][clock]
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    parser.add_argument("--shapes", nargs="+", default=["50000x1920", "1000000x384"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=PEERS)
    parser.add_argument("--vectors", type=pathlib.Path, help="folder with rows.npy and queries.npy, in the place of random vectors")
    parser.add_argument("--scratch", help="folder for the vectors (1.5 KB a row of 384 columns, and half again)")
    arguments = parser.parse_args()
    ours = ROOT / "Benchmarks/.build/release/bench-search"
    bench = arguments.shared / "bench/search_speed.py"
    lines = []
    shapes = arguments.shapes
    if arguments.vectors:
        shapes = ["x".join(map(str, np.load(arguments.vectors / "rows.npy", mmap_mode="r").shape))]
    for shape in shapes:
        rows, columns = map(int, shape.split("x"))
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            folder = pathlib.Path(folder)
            best = make_vectors(folder, rows, columns, arguments.vectors)
            # In a separate process, so that its memory is not counted.
            last_json([ours, folder / "rows.npy", folder / "queries.npy", "--float16", folder / "half.npy", "--rounds", 1])
            for threads in arguments.threads:
                environment = dict(os.environ, PEER_THREADS=str(threads))
                results = {name: [] for name in [*arguments.peers, *OURS]}
                for _ in range(arguments.rounds):
                    for peer in arguments.peers:
                        row = last_json([sys.executable, bench, peer, rows, columns], env=environment)
                        results[peer].append({
                            **{f"wall {size}": row[f"b{size}_ms"] for size in (1, 100)},
                            **{f"cpu {size}": row[f"b{size}_cpu_ms"] for size in (1, 100)}, "memory": row["rss_mb"]})
                    for name, options in OURS.items():
                        row = last_json(
                            [ours, folder / options[0], folder / "queries.npy", "--threads", threads,
                             "--output", folder / f"{name}.npy", *options[1:]])
                        batches = {batch["size"]: batch for batch in row["batches"]}
                        results[name].append({
                            **{f"wall {size}": batch["bestMilliseconds"] for size, batch in batches.items()},
                            **{f"cpu {size}": batch["bestCPUMilliseconds"] for size, batch in batches.items()},
                            "memory": row["peakMegabytes"], "index": row["indexMegabytes"] + row["approximationMegabytes"],
                            **shares(batches, row)})
                medians = {
                    name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
                    for name, runs in results.items()}
                for name, figures in medians.items():
                    line = {"shape": shape, "threads": threads, "engine": name,
                            **{key: round(value, 3) for key, value in figures.items()}}
                    if name.startswith("mafin"):
                        line["ratio"] = {
                            f"{peer} {size}": round(medians[peer][f"wall {size}"] / figures[f"wall {size}"], 2)
                            for size in (1, 100) for peer in arguments.peers}
                        line["cpu ratio"] = {
                            f"{peer} {size}": round(medians[peer][f"cpu {size}"] / figures[f"cpu {size}"], 2)
                            for size in (1, 100) for peer in arguments.peers}
                        line["largest score difference"] = float(f"{check(folder, f'{name}.npy', best):.1e}")
                    print(json.dumps(line), file=sys.stderr, flush=True)
                    lines.append(line)
    P.table(HEADER, [cells(line, arguments.peers) for line in lines])


if __name__ == "__main__":
    main()
