"""Compares training, embedding and single queries of two builds of mafin. The two take turns in one run.

    git worktree add OLD COMMIT
    swift build -c release --package-path OLD/Benchmarks --product bench-training
    swift build -c release --package-path OLD/Benchmarks --product bench-embedding
    (the same for this tree)
    PEER-HOME/venv/bin/python Tools/bench-builds.py OLD/Benchmarks/.build/release Benchmarks/.build/release --shared ../shared --model FOLDER

Batches of 32 (query, document) pairs, then documents in one call, then queries one by one, at 256 tokens at most. Medians over the rounds are
printed. "CPU" is the ratio by processor seconds, which depend less on other work on the machine.
"""

import argparse
import pathlib
import random

import peers as P


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--shared", default=str(P.ROOT.parent / "shared"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", nargs="+", default=["fae-10k", "nfcorpus"])
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--documents", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    peers = P.Peers(options.shared)
    lines = []

    def add(name, program, keys, unit, *arguments):
        """Runs both builds by turns; adds a line with the figures under `keys`: wall, processor, memory."""
        rows = {build: [] for build in (options.old, options.new)}
        for number in range(options.rounds):
            for build in sorted(rows, reverse=number % 2 == 1):
                rows[build].append(P.last_json([
                    str(build / program), "--model", options.model, "--shape", "minilm", "--max-length", "256",
                    *map(str, arguments)]))
        old, new = ([P.median(rows[build], key) for key in keys] for build in (options.old, options.new))
        # Speeds rise and times fall where a build is better.
        ratio = (lambda place: new[place] / old[place]) if unit == "tokens/s" else (lambda place: old[place] / new[place])
        lines.append(
            [name, f"{old[0]:,.4g} {unit}", f"{new[0]:,.4g} {unit}", f"{ratio(0):.2f}", f"{ratio(1):.2f}"]
            + ([f"{old[2]:.0f} MB", f"{new[2]:.0f} MB"] if len(keys) > 2 else ["", ""]))
        print("|", " | ".join(lines[-1]), "|", flush=True)

    for text in options.text:
        pairs = peers.common.pairs(text)
        random.Random(0).shuffle(pairs)
        with P.json_file([pairs[i * 32:(i + 1) * 32] for i in range(3)]) as batches:
            for dropout in (0, 0.1):
                add(f"training, {text}, dropout {dropout}", "bench-training",
                    ["bestTokensPerSecond", "medianTokensPerProcessorSecond", "peakMegabytes"], "tokens/s",
                    "--batches", batches.name, "--dropout", dropout, "--threads", max(options.threads))
        documents, queries = peers.documents(text, options.documents)
        with P.json_file(documents) as some, P.json_file(queries) as each, P.json_file([]) as none:
            for threads in options.threads:
                add(f"embedding, {text}, {threads} threads", "bench-embedding",
                    ["bestSeconds", "medianProcessorSeconds", "peakMegabytes"], "s",
                    "--documents", some.name, "--queries", none.name, "--threads", threads, "--rounds", 2,
                    "--ceiling-seconds", 0.1)
                add(f"one query, {text}, {threads} threads", "bench-embedding", ["queryMedian", "query99"], "ms",
                    "--documents", none.name, "--queries", each.name, "--threads", threads, "--rounds", 1,
                    "--ceiling-seconds", 0.1)
    print()
    P.table(["work", "old", "new", "ratio", "CPU (of queries: p99)", "memory, old", "new"], lines)


if __name__ == "__main__":
    main()
