"""Training speed and memory against plain PyTorch on the same batches, in one run, the two taking turns.

    swift build -c release --package-path Benchmarks --product bench-training
    PEER-HOME/venv/bin/python Tools/bench-training.py --shared ../shared [--text nfcorpus fae-10k] [--dropout 0] [--rounds 3]

The peer is `bench/train_speed.py --mode loop` of the shared folder: batches of 32 (query, document) pairs of a collection,
InfoNCE, clipping, AdamW. Tokens are real tokens, without padding; the best step of each run counts, and the medians over
the rounds are printed.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def last_json(command, **options):
    lines = subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout.splitlines()
    return json.loads(lines[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=str(ROOT.parent / "shared"))
    parser.add_argument("--text", nargs="+", default=["nfcorpus", "fae-10k"])
    parser.add_argument("--dropout", type=float, default=0)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bench = pathlib.Path(arguments.shared) / "bench"
    sys.path.insert(0, str(bench))
    import common

    ours = ROOT / "Benchmarks/.build/release/bench-training"
    environment = dict(os.environ, PEER_THREADS=str(arguments.threads))
    for text in arguments.text:
        pairs = common.pairs(text)
        random.Random(0).shuffle(pairs)
        batches = [pairs[i * 32:(i + 1) * 32] for i in range(arguments.steps + 1)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(batches, file)
            file.flush()
            rows = {"torch": [], "mafin": []}
            for _ in range(arguments.rounds):
                rows["torch"].append(last_json(
                    [sys.executable, str(bench / "train_speed.py"), "--model", "minilm", "--text", text,
                     "--seq", str(arguments.max_length), "--dropout", str(arguments.dropout),
                     "--steps", str(arguments.steps)], env=environment))
                rows["mafin"].append(last_json(
                    [str(ours), "--model", common.MINILM, "--batches", file.name,
                     "--max-length", str(arguments.max_length), "--dropout", str(arguments.dropout),
                     "--threads", str(arguments.threads)]))
        median = lambda name, key: statistics.median(row[key] for row in rows[name])
        torch, mafin = median("torch", "real_tok_s"), median("mafin", "bestTokensPerSecond")
        print(json.dumps({
            "text": text, "max_length": arguments.max_length, "dropout": arguments.dropout,
            "threads": arguments.threads, "rounds": arguments.rounds,
            "torch_tokens_s": round(torch), "mafin_tokens_s": round(mafin), "ratio": round(mafin / torch, 2),
            "torch_peak_mb": round(median("torch", "rss_mb")), "mafin_peak_mb": round(median("mafin", "peakMegabytes")),
        }), flush=True)


if __name__ == "__main__":
    main()
