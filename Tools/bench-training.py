"""Compares training speed and memory with plain PyTorch on the same batches. The two take turns in one run.

    swift build -c release --package-path Benchmarks --product bench-training
    PEER-HOME/venv/bin/python Tools/bench-training.py --shared ../shared [--model bge-small] [--quick] [--precision float32 bf16]

The peer is `bench/train_speed.py --mode loop` of the shared folder: batches of 32 (query, document) pairs of a collection,
InfoNCE, clipping, AdamW, sdpa; in bf16 under autocast, with float32 weights. With two precisions, all four take turns in every round. Tokens are real tokens, without padding. The best step of each run counts, and the medians over
the rounds are printed. "CPU" is by processor seconds, which depend less on other work on the machine.

"Share" is 6 · (weights of the linear layers) · (real tokens a second), divided by the rate of matrix products alone. That rate is the faster of
numpy's and our own, measured before and after each of our runs, on the encoder's shapes.
"""

import argparse
import random

import peers as P

# (text, maximum number of tokens, dropout)
ALL = [("fae-10k", 256, 0), ("fae-10k", 512, 0), ("nfcorpus", 256, 0), ("scifact", 256, 0),
       ("fae-10k", 256, 0.1), ("nfcorpus", 256, 0.1)]
QUICK = [("fae-10k", 256, 0), ("nfcorpus", 256, 0), ("nfcorpus", 256, 0.1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=str(P.ROOT.parent / "shared"))
    parser.add_argument("--model", default="minilm", choices=["minilm", "bge-small", "bge-base"])
    parser.add_argument("--text", nargs="+", help="only these texts")
    parser.add_argument("--max-length", type=int, nargs="+", help="only these lengths")
    parser.add_argument("--dropout", type=float, nargs="+", help="only these rates")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", nargs="+", default=["float32"], choices=["float32", "bf16"])
    parser.add_argument("--sort", action="store_true", help="batches of pairs of similar length, so that the peer pads little")
    parser.add_argument("--quick", action="store_true", help="three cases instead of six")
    arguments = parser.parse_args()
    peers = P.Peers(arguments.shared)
    lines = []
    for text, length, dropout in QUICK if arguments.quick else ALL:
        if any(wanted and found not in wanted for wanted, found in (
                (arguments.text, text), (arguments.max_length, length), (arguments.dropout, dropout))):
            continue
        pairs = peers.common.pairs(text)
        if arguments.sort:
            pairs.sort(key=lambda pair: len(pair[1]))
        else:
            random.Random(0).shuffle(pairs)
        first = len(pairs) // 2 // 32 if arguments.sort else 0
        with P.json_file([pairs[i * 32:(i + 1) * 32] for i in range(first, first + arguments.steps + 1)]) as batches:
            for threads in arguments.threads:
                for line in compare(peers, arguments, text, length, dropout, threads, batches.name):
                    lines.append(line)
                    print("|", " | ".join(map(str, line)), "|", flush=True)
    print()
    P.table(["model", "text", "tokens at most", "dropout", "threads", "precision", "PyTorch, tokens/s", "mafin, tokens/s", "ratio",
             "ratio by CPU", "share", "share by CPU", "products: mafin / numpy / PyTorch, GFLOP/s",
             "peak memory: PyTorch", "mafin", "ratio"], lines)


def compare(peers, arguments, text, length, dropout, threads, batches):
    """A line for each precision."""
    found = {precision: ([], [], []) for precision in arguments.precision}
    for _ in range(arguments.rounds):
        for precision, (torch, mafin, numpy) in found.items():
            torch.append(peers.run(
                "train_speed.py", "--model", arguments.model, "--text", text, "--seq", length, "--dropout", dropout,
                "--dtype", "bf16" if precision == "bf16" else "fp32", "--steps", arguments.steps,
                *(["--sort"] if arguments.sort else []), threads=threads))
            numpy.append(peers.products(arguments.model, threads))
            mafin.append(P.last_json(
                [str(P.PROGRAMS / "bench-training"), "--model", peers.common.MINILM, "--shape", arguments.model,
                 "--batches", batches, "--max-length", str(length), "--dropout", str(dropout), "--threads", str(threads),
                 "--precision", precision, "--ceiling-seconds", "1.5"]))
    return [
        line([arguments.model, text, length, dropout, threads, precision], *rows) for precision, rows in found.items()]


def line(case, torch, mafin, numpy):
    precision = case[-1]
    for row in torch:
        real = row["real_tok_s"] / row["padded_tok_s"]
        row["cpu_tok_s"] = row["tokens_step"] * real / row["cpu_step"]
    for row, rate in zip(mafin, numpy):
        operations = row["operationsPerToken"]
        row["share"] = operations * row["bestTokensPerSecond"] / max(row["ceiling"], rate * 1e9 if precision == "float32" else 0)
        row["cpu_share"] = operations * row["medianTokensPerProcessorSecond"] / row["ceilingPerProcessorSecond"]
    speeds = P.median(torch, "real_tok_s"), P.median(mafin, "bestTokensPerSecond")
    by_cpu = P.median(mafin, "medianTokensPerProcessorSecond") / P.median(torch, "cpu_tok_s")
    memory = P.median(torch, "rss_mb"), P.median(mafin, "peakMegabytes")
    return case + [
        f"{speeds[0]:,.0f}", f"{speeds[1]:,.0f}",
        f"{speeds[1] / speeds[0]:.2f}", f"{by_cpu:.2f}", f"{P.median(mafin, 'share'):.2f}",
        f"{P.median(mafin, 'cpu_share'):.2f}",
        f"{P.median(mafin, 'ceiling') / 1e9:.0f} / {P.statistics.median(numpy):.0f} / {P.median(torch, 'gemm'):.0f}",
        f"{memory[0]:,.0f} MB", f"{memory[1]:,.0f} MB", f"{memory[1] / memory[0]:.2f}"]


if __name__ == "__main__":
    main()
