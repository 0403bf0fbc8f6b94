"""Compares embedding speed, and the time of single queries, with OpenVINO, ONNX Runtime and PyTorch. All take turns in one run.

    swift build -c release --package-path Benchmarks --product bench-embedding
    PEER-HOME/venv/bin/python Tools/bench-embedding.py --shared ../shared [--model bge-small]
    PEER-HOME/venv/bin/python Tools/bench-embedding.py --shared ../shared --queries

The peers are `bench/infer_speed.py` of the shared folder, in fp32. For ONNX Runtime the faster of the plain and the fused
graph counts. The peers embed batches of 32 documents sorted by length. Each batch is timed by itself, and its best time counts. We embed
all documents in one call, in their own order, and the best of as many calls counts. The time includes tokenizing on both sides. Medians over
the rounds are printed.

"Share" is 2 · (weights of the linear layers) · (real tokens a second), divided by the rate of matrix products alone. That rate is the faster of
numpy's and our own, measured before and after each of our runs. "CPU" is by processor seconds.

With --queries, queries come one by one. Waiting threads spin, in the peers too, so run this on an idle machine.
"""

import argparse

import peers as P

ENGINES = {"OpenVINO": ["ov"], "ONNX Runtime": ["ort", "ort-opt"], "PyTorch": ["torch"]}


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
    parser.add_argument("--queries", action="store_true", help="single queries instead of documents")
    arguments = parser.parse_args()
    peers = P.Peers(arguments.shared)
    lines = []
    for text in arguments.text:
        documents, queries = peers.documents(text, arguments.documents)
        with P.json_file([] if arguments.queries else documents) as documents_file, \
                P.json_file(queries if arguments.queries else []) as queries_file:
            for threads in arguments.threads:
                rows = measure(peers, arguments, text, threads, documents_file.name, queries_file.name)
                line = query_line if arguments.queries else document_line
                lines.append([arguments.model, text, threads] + line(rows))
                print("|", " | ".join(map(str, lines[-1])), "|", flush=True)
    print()
    names = list(ENGINES)
    if arguments.queries:
        P.table(["model", "queries of", "threads", "tokens"] + [f"{name}, ms: p50 / p99" for name in names]
                + ["mafin", "p50 to ONNX Runtime's", "p99 to p50"], lines)
    else:
        P.table(["model", "text", "threads"] + [f"{name}, documents/s" for name in names] + ["mafin, documents/s"]
                + [f"to {name}" for name in names] + [f"to {name} by CPU" for name in names]
                + ["share", "share by CPU", "products: mafin / numpy, GFLOP/s"], lines)


def measure(peers, arguments, text, threads, documents, queries):
    """Rows of every engine; our rows also have numpy's rate."""
    rows = {name: [] for name in ENGINES} | {"mafin": []}
    for _ in range(arguments.rounds):
        for name, engines in ENGINES.items():
            found = [peers.run(
                "infer_speed.py", "--engine", engine, "--model", arguments.model, "--text", text,
                "--seq", arguments.max_length, "--docs", 32 if arguments.queries else arguments.documents,
                "--reps", 1 if arguments.queries else arguments.repetitions,
                *([] if arguments.queries else ["--skipq"]), threads=threads, spin=arguments.queries)
                for engine in engines]
            key = (lambda row: -row["q_p50_ms"]) if arguments.queries else (lambda row: row["docs_s"])
            rows[name].append(max(found, key=key))
        numpy = 0 if arguments.queries else peers.products(arguments.model, threads)
        row = P.last_json(
            [str(P.PROGRAMS / "bench-embedding"), "--model", peers.common.MINILM, "--shape", arguments.model,
             "--documents", documents, "--queries", queries, "--max-length", str(arguments.max_length),
             "--threads", str(threads), "--rounds", str(arguments.repetitions)])
        rows["mafin"].append(dict(row, numpy=numpy))
    return rows


def document_line(rows):
    for row in rows["mafin"]:
        row["docs_s"] = row["documents"] / row["bestSeconds"]
        row["cpu_docs_s_core"] = row["documents"] / row["medianProcessorSeconds"]
        operations = row["operationsPerToken"] * row["tokens"]
        row["share"] = operations / row["bestSeconds"] / max(row["ceiling"], row["numpy"] * 1e9)
        row["cpu_share"] = operations / row["medianProcessorSeconds"] / row["ceilingPerProcessorSecond"]
    ours = {key: P.median(rows["mafin"], key) for key in (
        "docs_s", "cpu_docs_s_core", "share", "cpu_share", "ceiling", "numpy")}
    theirs = {name: [P.median(rows[name], key) for key in ("docs_s", "cpu_docs_s_core")] for name in ENGINES}
    return (
        [f"{theirs[name][0]:.1f}" for name in ENGINES] + [f"{ours['docs_s']:.1f}"]
        + [f"{ours['docs_s'] / theirs[name][0]:.2f}" for name in ENGINES]
        + [f"{ours['cpu_docs_s_core'] / theirs[name][1]:.2f}" for name in ENGINES]
        + [f"{ours['share']:.2f}", f"{ours['cpu_share']:.2f}", f"{ours['ceiling'] / 1e9:.0f} / {ours['numpy']:.0f}"])


def query_line(rows):
    ours = {key: P.median(rows["mafin"], key) for key in ("queryTokens", "queryMedian", "query99")}
    theirs = {name: [P.median(rows[name], key) for key in ("q_p50_ms", "q_p99_ms")] for name in ENGINES}
    return (
        [f"{ours['queryTokens']:.0f}"] + [f"{p50:.2f} / {p99:.2f}" for p50, p99 in theirs.values()]
        + [f"{ours['queryMedian']:.2f} / {ours['query99']:.2f}",
           f"{ours['queryMedian'] / theirs['ONNX Runtime'][0]:.2f}", f"{ours['query99'] / ours['queryMedian']:.2f}"])


if __name__ == "__main__":
    main()
