"""Compares embedding speed, and the time of single queries, with OpenVINO, ONNX Runtime and PyTorch. All take turns in one run.

    swift build -c release --package-path Benchmarks --product bench-embedding
    PEER-HOME/venv/bin/python Tools/bench-embedding.py --shared ../shared [--model bge-small]
    PEER-HOME/venv/bin/python Tools/bench-embedding.py --shared ../shared --precision float32 bf16 int8
    PEER-HOME/venv/bin/python Tools/bench-embedding.py --shared ../shared --queries

In float32 the peers are `bench/infer_speed.py` of the shared folder; in bf16 and int8 `peer_precision.py` (PyTorch in bf16, OpenVINO as it
starts, ONNX Runtime after dynamic quantisation, OpenVINO after NNCF's, for which the package nncf must be installed beside the other peers). All precisions are measured in every round. Where a peer has several forms, the faster counts. The peers embed batches of 32 documents sorted by length. Each batch is timed by itself, and its best time counts. We embed
all documents in one call, in their own order, and the best of as many calls counts. The time includes tokenizing on both sides. Medians over
the rounds are printed.

"Share" is 2 · (weights of the linear layers) · (real tokens a second), divided by the rate of matrix products alone. That rate is the faster of
numpy's (in float32) and our own in the same precision, measured before and after each of our runs. "CPU" is by processor seconds.

With --queries, queries come one by one. Waiting threads spin, in the peers too, so run this on an idle machine.
"""

import argparse

import peers as P

# The peers at each precision, and the forms of each.
ENGINES = {
    "float32": {"OpenVINO": ["ov"], "ONNX Runtime": ["ort", "ort-opt"], "PyTorch": ["torch"]},
    "bf16": {"OpenVINO as it starts": ["ov"], "PyTorch bf16": ["torch-bf16", "torch-bf16-weights"]},
    "int8": {"ONNX Runtime int8": ["ort-int8", "ort-int8-full"], "OpenVINO int8": ["ov-int8"]},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=str(P.ROOT.parent / "shared"))
    parser.add_argument("--model", default="minilm", choices=["minilm", "bge-small", "bge-base"])
    parser.add_argument("--text", nargs="+", default=["fae-10k", "nfcorpus"])
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--documents", type=int, default=128)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", nargs="+", default=["float32"], choices=list(ENGINES))
    parser.add_argument("--queries", action="store_true", help="single queries instead of documents")
    arguments = parser.parse_args()
    peers = P.Peers(arguments.shared)
    lines = {precision: [] for precision in arguments.precision}
    for text in arguments.text:
        documents, queries = peers.documents(text, arguments.documents)
        with P.json_file([] if arguments.queries else documents) as documents_file, \
                P.json_file(queries if arguments.queries else []) as queries_file:
            for threads in arguments.threads:
                rows = measure(peers, arguments, text, threads, documents_file.name, queries_file.name)
                line = query_line if arguments.queries else document_line
                for precision in arguments.precision:
                    lines[precision].append([arguments.model, text, threads] + line(rows[precision], precision))
                    print("|", precision, "|", " | ".join(map(str, lines[precision][-1])), "|", flush=True)
    for precision in arguments.precision:
        print(f"\n{precision}:\n")
        names = list(ENGINES[precision])
        if arguments.queries:
            P.table(["model", "queries of", "threads", "tokens"] + [f"{name}, ms: p50 / p99" for name in names]
                    + ["mafin"] + [f"p50 to {name}'s" for name in names] + ["p99 to p50"], lines[precision])
        else:
            P.table(["model", "text", "threads"] + [f"{name}, documents/s" for name in names] + ["mafin, documents/s"]
                    + [f"to {name}" for name in names] + [f"to {name} by CPU" for name in names]
                    + ["share", "share by CPU", "products: mafin / numpy, GFLOP/s"]
                    + ([] if precision == "float32" else [f"least cosine: {name}" for name in names]), lines[precision])


def peer(peers, arguments, text, threads, documents, queries, precision, engine):
    """A row of one form of a peer."""
    repetitions = 1 if arguments.queries else arguments.repetitions
    if precision == "float32":
        return peers.run(
            "infer_speed.py", "--engine", engine, "--model", arguments.model, "--text", text,
            "--seq", arguments.max_length, "--docs", 32 if arguments.queries else arguments.documents,
            "--reps", repetitions, *([] if arguments.queries else ["--skipq"]), threads=threads, spin=arguments.queries)
    return peers.run(
        P.ROOT / "Tools/peer_precision.py", "--shared", arguments.shared, "--engine", engine, "--model", arguments.model,
        "--documents", documents, "--queries", queries, "--seq", arguments.max_length, "--reps", repetitions,
        threads=threads, spin=arguments.queries)


def measure(peers, arguments, text, threads, documents, queries):
    """For each precision rows of every engine; our rows also have numpy's rate."""
    rows = {precision: {name: [] for name in ENGINES[precision]} | {"mafin": []} for precision in arguments.precision}
    for _ in range(arguments.rounds):
        for precision in arguments.precision:
            for name, engines in ENGINES[precision].items():
                found = [peer(peers, arguments, text, threads, documents, queries, precision, engine) for engine in engines]
                key = (lambda row: -row["q_p50_ms"]) if arguments.queries else (lambda row: row["docs_s"])
                rows[precision][name].append(max(found, key=key))
            numpy = 0 if arguments.queries else peers.products(arguments.model, threads)
            row = P.last_json(
                [str(P.PROGRAMS / "bench-embedding"), "--model", peers.common.MINILM, "--shape", arguments.model,
                 "--documents", documents, "--queries", queries, "--max-length", str(arguments.max_length),
                 "--precision", precision, "--threads", str(threads), "--rounds", str(arguments.repetitions)])
            rows[precision]["mafin"].append(dict(row, numpy=numpy))
    return rows


def document_line(rows, precision):
    names = list(ENGINES[precision])
    for row in rows["mafin"]:
        row["docs_s"] = row["documents"] / row["bestSeconds"]
        row["cpu_docs_s_core"] = row["documents"] / row["medianProcessorSeconds"]
        operations = row["operationsPerToken"] * row["tokens"]
        # numpy has no products in lower precision.
        numpy = row["numpy"] * 1e9 if precision == "float32" else 0
        row["share"] = operations / row["bestSeconds"] / max(row["ceiling"], numpy)
        row["cpu_share"] = operations / row["medianProcessorSeconds"] / row["ceilingPerProcessorSecond"]
    ours = {key: P.median(rows["mafin"], key) for key in (
        "docs_s", "cpu_docs_s_core", "share", "cpu_share", "ceiling", "numpy")}
    theirs = {name: [P.median(rows[name], key) for key in ("docs_s", "cpu_docs_s_core")] for name in names}
    return (
        [f"{theirs[name][0]:.1f}" for name in names] + [f"{ours['docs_s']:.1f}"]
        + [f"{ours['docs_s'] / theirs[name][0]:.2f}" for name in names]
        + [f"{ours['cpu_docs_s_core'] / theirs[name][1]:.2f}" for name in names]
        + [f"{ours['share']:.2f}", f"{ours['cpu_share']:.2f}", f"{ours['ceiling'] / 1e9:.0f} / {ours['numpy']:.0f}"]
        + ([] if precision == "float32" else [str(rows[name][-1]["cos_min_vs_torch"]) for name in names]))


def query_line(rows, precision):
    names = list(ENGINES[precision])
    ours = {key: P.median(rows["mafin"], key) for key in ("queryTokens", "queryMedian", "query99")}
    theirs = {name: [P.median(rows[name], key) for key in ("q_p50_ms", "q_p99_ms")] for name in names}
    return (
        [f"{ours['queryTokens']:.0f}"] + [f"{p50:.2f} / {p99:.2f}" for p50, p99 in theirs.values()]
        + [f"{ours['queryMedian']:.2f} / {ours['query99']:.2f}"]
        + [f"{ours['queryMedian'] / theirs[name][0]:.2f}" for name in names]
        + [f"{ours['query99'] / ours['queryMedian']:.2f}"])


if __name__ == "__main__":
    main()
