"""What lower precision does to rankings: nDCG@10 on test in float32, bf16 and int8, with the encoder alone and with the whole artefact.

    python3 Tools/precision-quality.py --mafin .build/release/mafin --shared ../shared --work /tmp/precision [--collections nfcorpus scifact fae-10k]
                                       [--seeds 1 2 3] [--time 2m | --epochs 6] [--precisions float32 bf16 int8]

For each collection and seed an artefact is trained in float32 beside the stored vectors of the shared folder, and then evaluated in each precision with
`mafin evaluate --runs`. --epochs makes trainings that do not depend on how busy the machine is. The differences to float32 are taken query by query from these
rankings. Their 95 % interval is a percentile bootstrap over queries of the mean over seeds (10,000 resamples). "Same top ten" is the share of queries whose ten
best documents are the same, in any order. The second table says what the gate of `mafin train` decided on dev for the last of --precisions. What is already
in --work is used again.
"""

import argparse
import collections
import json
import math
import pathlib
import subprocess

import numpy

SYSTEMS = {"local": "encoder as released, alone", "artefact": "whole artefact"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--shared", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--collections", nargs="+", default=["nfcorpus", "scifact", "fae-10k"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bf16", "int8"])
    parser.add_argument("--time", default="2m")
    parser.add_argument("--epochs", help="passes over the labels, instead of --time")
    parser.add_argument("--encoder", help="name or folder of the encoder; the program's default if it is not given")
    arguments = parser.parse_args()
    lines, gates = [], []
    for name in arguments.collections:
        measured = {system: collections.defaultdict(list) for system in SYSTEMS}
        for seed in arguments.seeds:
            artefact = train(arguments, name, seed)
            record = json.loads((artefact / "manifest.json").read_text())["precision"]
            gates.append([name, seed, record["asked"], record["used"], record["reason"]])
            for precision in arguments.precisions:
                runs = evaluate(arguments, name, artefact, precision)
                for system in SYSTEMS:
                    measured[system][precision].append(read_run(runs / f"{system}.test.run"))
        labels = read_labels(pathlib.Path(arguments.shared) / "data" / name / "qrels/test.tsv")
        for system, title in SYSTEMS.items():
            lines += table_lines(name, title, measured[system], labels, arguments.precisions)
    table(["collection", "ranking", "precision", "queries", "seeds", "nDCG@10", "change", "95 % interval", "same top ten"], lines)
    print()
    table(["collection", "seed", "asked", "used", "reason"], gates)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with status {done.returncode}:\n{done.stderr}")
    return done.stdout


def inputs(arguments, name):
    shared = pathlib.Path(arguments.shared)
    return ["--data", str(shared / "data" / name), "--black-box", f"vectors:{shared / 'vectors' / name}"]


def train(arguments, name, seed):
    folder = pathlib.Path(arguments.work) / f"{name}-{seed}"
    if not (folder / "manifest.json").exists():
        run([arguments.mafin, "train", *inputs(arguments, name), "--output", str(folder), "--seed", str(seed), "--mode", "query",
             *(["--epochs", arguments.epochs, "--time", "10h"] if arguments.epochs else ["--time", arguments.time]),
             "--force", "--quiet", "--precision", arguments.precisions[-1],
             *(["--encoder", arguments.encoder] if arguments.encoder else [])])
    return folder


def evaluate(arguments, name, artefact, precision):
    runs = artefact.with_name(artefact.name + "-runs") / precision
    if not (runs / "artefact.test.run").exists():
        run([arguments.mafin, "evaluate", str(artefact), *inputs(arguments, name), "--precision", precision,
             "--runs", str(runs), "--quiet"])
    return runs


def read_run(path):
    """For each query its documents, the best first; equal scores by id, descending, as trec_eval orders them."""
    found = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        query, _, document, _, score, _ = line.split()
        found[query].append((float(score), document))
    return {query: [document for _, document in sorted(pairs, reverse=True)] for query, pairs in found.items()}


def read_labels(path):
    labels = collections.defaultdict(dict)
    for line in path.read_text().splitlines():
        parts = line.split("\t")
        if parts[0] == "query-id" or int(float(parts[-1])) < 1:
            continue
        labels[parts[0]][parts[-2]] = int(float(parts[-1]))
    return labels


def ndcg(ranking, grades, cutoff=10):
    """trec_eval's ndcg_cut: gains are grades, discounts 1 / log2(rank + 1)."""
    def gain(values):
        return sum(value / math.log2(rank + 2) for rank, value in enumerate(values[:cutoff]))
    return gain([grades.get(document, 0) for document in ranking]) / gain(sorted(grades.values(), reverse=True))


def table_lines(name, title, by_precision, labels, precisions):
    queries = sorted(labels)

    def values(runs):
        return numpy.mean([[ndcg(found.get(query, []), labels[query]) for query in queries] for found in runs], axis=0)

    exact = values(by_precision["float32"])
    draws = numpy.random.default_rng(1).integers(0, len(queries), (10_000, len(queries)))
    for precision in precisions:
        own = values(by_precision[precision])
        change = own - exact
        low, high = numpy.quantile(change[draws].mean(axis=1), [0.025, 0.975])
        same = numpy.mean([
            set(one.get(query, [])[:10]) == set(other.get(query, [])[:10])
            for one, other in zip(by_precision[precision], by_precision["float32"]) for query in queries])
        yield [name, title, precision, len(queries), len(by_precision[precision]), f"{own.mean():.4f}"] + (
            ["", "", ""] if precision == "float32"
            else [f"{change.mean():+.5f}", f"{low:+.5f} to {high:+.5f}", f"{100 * same:.1f} %"])


def table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
