"""Prints where the time of training and of embedding goes: for each operation its time and its share of the speed of this machine's products.

    swift build -c release --package-path Benchmarks --product bench-operations
    PEER-HOME/venv/bin/python Tools/bench-operations.py --shared ../shared [--text fae-10k] [--max-length 256] [--dropout 0.1]
"""

import argparse
import random
import subprocess

import peers as P


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=str(P.ROOT.parent / "shared"))
    parser.add_argument("--model", default="minilm", choices=["minilm", "bge-small", "bge-base"])
    parser.add_argument("--text", default="fae-10k")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    peers = P.Peers(arguments.shared)
    pairs = peers.common.pairs(arguments.text)
    random.Random(0).shuffle(pairs)
    with P.json_file([pairs[i * 32:(i + 1) * 32] for i in range(arguments.steps + 1)]) as batches:
        for kind in [[], ["--embedding"]]:
            print(f"{'embedding' if kind else 'training'}, {arguments.text}, at most {arguments.max_length} tokens", flush=True)
            print(flush=True)
            subprocess.run(
                [str(P.PROGRAMS / "bench-operations"), "--model", peers.common.MINILM, "--shape", arguments.model,
                 "--batches", batches.name, "--max-length", str(arguments.max_length), "--dropout",
                 "0" if kind else str(arguments.dropout), "--threads", str(arguments.threads), *kind], check=True)
            print(flush=True)


if __name__ == "__main__":
    main()
