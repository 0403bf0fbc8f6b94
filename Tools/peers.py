"""Shared by the benchmark drivers: running the Python peers of the shared folder and our own programs in turn, and printing tables."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "Benchmarks/.build/release"

# Weights of the linear layers' shapes: (outputs, inputs) of one layer.
WIDTHS = {"minilm": (384, 1536), "bge-small": (384, 1536), "bge-base": (768, 3072)}


class Peers:
    """The scripts of `shared/bench`, imported and run."""

    def __init__(self, shared):
        self.bench = pathlib.Path(shared) / "bench"
        sys.path.insert(0, str(self.bench))
        import common

        self.common = common

    def run(self, script, *arguments, threads, spin=False):
        """The JSON object in the last line that a script of the peers prints."""
        environment = dict(os.environ, PEER_THREADS=str(threads), PEER_QUIET_S=os.environ.get("PEER_QUIET_S", "1"))
        if spin:
            environment["PEER_SPIN"] = "1"
        return last_json([sys.executable, str(self.bench / script), *map(str, arguments)], env=environment)

    def products(self, model, threads):
        """numpy's GFLOP/s on the shapes of the model's linear layers."""
        hidden, inner = WIDTHS[model]
        rates = self.run("gemm.py", "numpy", threads, 0.15, threads=threads)["gflops"]
        shapes = [(3 * hidden, hidden), (hidden, hidden), (inner, hidden), (hidden, inner)]
        # gemm.py does not measure (768, 768). The other shapes are close enough.
        known = [(n * k, rates[f"8192x{n}x{k}"]) for n, k in shapes if f"8192x{n}x{k}" in rates]
        return sum(size for size, _ in known) / sum(size / rate for size, rate in known)

    def documents(self, text, count):
        """The documents that `infer_speed.py` embeds, and its queries."""
        common = self.common
        if text == "fae-10k":
            (validation, queries, _), (training, _, _) = common.fae("val"), common.fae("train")
            documents = [*validation.values(), *training.values()]
        else:
            corpus, queries, _ = common.beir(f"{common.SHARED}/data/{text}")
            documents = list(corpus.values())
        return documents[:count], list(queries.values())[:200]


def last_json(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def json_file(value):
    """A temporary file that holds `value` as JSON."""
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(value, file)
    file.flush()
    return file


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def table(header, rows):
    """Prints a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
