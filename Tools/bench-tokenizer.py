"""Compares the speed of MafinText with Python `tokenizers` (Rust) or `sentencepiece` (C++) on the same texts in one run, and checks that all
ids are equal.

    swift build -c release --package-path Benchmarks --product bench-tokenizer
    python Tools/bench-tokenizer.py --model MODEL-FOLDER [...] [--bpe FOLDER] [--shared ../shared] [--threads 1 2] [--rounds 7]

A folder with tokenizer.json is read by `tokenizers`; one with only a SentencePiece model of XLM-RoBERTa by `sentencepiece`, with fairseq's ids.
--bpe trains a byte-level BPE tokenizer of ModernBERT's form on the texts, and keeps it in FOLDER (no package has ModernBERT's own).
Both sides keep the tokenizer and the texts in memory. A round encodes all texts once. The sides take turns, and the best round
of each counts. sentence-transformers calls `encode_batch`. `encode_batch_fast` keeps no offsets, like our `batchEncode`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = {
    "nfcorpus": ["corpus.jsonl", "queries.jsonl"],
    "fae-10k": ["corpus.jsonl", "queries.jsonl"],
    "scifact": ["corpus.jsonl", "queries.jsonl"],
    "xquad-de": ["corpus.jsonl", "queries.jsonl"],
}


def texts_of(folder, files):
    texts = []
    for name in files:
        with open(folder / name, encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                texts.append((row.get("title", "") + " " + row["text"]).strip())
    return texts


def tokenizers_peer(model, length, method):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    return getattr(tokenizer, method), lambda encoding: encoding.ids


def sentencepiece_peer(model, length, threads):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(next(model.glob("*.model"))))
    ids = lambda row: [0] + [id + 1 if id else 3 for id in row][: length - 2] + [2]
    return lambda texts: processor.encode(texts, num_threads=threads), ids


def peer(arguments):
    """One process of a Python package, because its thread pool is set up once. Prints seconds per round as JSON."""
    import numpy

    model, texts_path, length, rounds, method, output = arguments
    texts = json.load(open(texts_path, encoding="utf-8"))
    if method == "sentencepiece":
        encode, ids = sentencepiece_peer(pathlib.Path(model), int(length), int(os.environ["RAYON_NUM_THREADS"]))
    else:
        encode, ids = tokenizers_peer(pathlib.Path(model), int(length), method)
    seconds = []
    for _ in range(int(rounds)):
        encodings = None
        start = time.perf_counter()
        encodings = encode(texts)
        seconds.append(time.perf_counter() - start)
    rows = [ids(encoding) for encoding in encodings]
    offsets = numpy.cumsum([0] + [len(row) for row in rows], dtype="<i8")
    with open(output, "wb") as file:
        file.write(numpy.array([len(rows)], dtype="<i8").tobytes() + offsets.tobytes())
        file.write(numpy.concatenate([numpy.array(row, dtype="<i4") for row in rows]).tobytes())
    print(json.dumps({"tokens": int(offsets[-1]), "seconds": seconds}))


def train_byte_pairs(folder, texts):
    """30,000 tokens, NFC, the words of GPT-2, runs of spaces as added tokens."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=30000, special_tokens=["[CLS]", "[SEP]"], initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_tokens([AddedToken(" " * count, normalized=True) for count in range(24, 1, -1)])
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))


def compare(model, options):
    peers = ["encode_batch", "encode_batch_fast"] if (model / "tokenizer.json").exists() else ["sentencepiece"]
    print(f"\n{model.name}\n\n| texts | threads | bytes | tokens | {' | '.join(f'`{name}`' for name in peers)} | mafin | {' | '.join(f'ratio to `{name}`' for name in peers)} |")
    print("|---" * (5 + 2 * len(peers)) + "|")
    equal = True
    with tempfile.TemporaryDirectory() as scratch:
        for name, files in SOURCES.items():
            texts = texts_of(options.shared / "data" / name, files)
            texts_path = f"{scratch}/texts.json"
            json.dump(texts, open(texts_path, "w", encoding="utf-8"), ensure_ascii=False)
            for threads in options.threads:
                environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}

                def run(command, output):
                    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
                    return json.loads(done.stdout), open(output, "rb").read()

                best = {}
                answers = {}
                for _ in range(3):
                    rounds = str(max(1, options.rounds // 3))
                    for side in [*peers, "mafin"]:
                        output = f"{scratch}/{side}"
                        command = (
                            [str(options.ours), str(model), texts_path, str(options.max_length), str(threads), rounds, output]
                            if side == "mafin"
                            else [sys.executable, __file__, "--peer", str(model), texts_path, str(options.max_length), rounds, side, output]
                        )
                        figures, answers[side] = run(command, output)
                        best[side] = min([best.get(side, 1e9)] + figures["seconds"])
                        tokens = figures["tokens"]
                        load = figures.get("loadSeconds")
                equal &= answers["mafin"] == answers[peers[0]]
                size = sum(len(text.encode()) for text in texts)
                cells = [
                    name, str(threads), f"{size / 1e6:.1f} MB", str(tokens), *(f"{best[side] * 1e3:.0f} ms" for side in peers),
                    f"{best['mafin'] * 1e3:.1f} ms ({size / 1e6 / best['mafin']:.0f} MB/s)", *(f"{best[side] / best['mafin']:.1f}" for side in peers)]
                print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\ntokenizer read in {load * 1e3:.0f} ms; ids of all texts {'equal' if equal else 'DIFFER'}")
    return equal


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, nargs="+", default=[])
    parser.add_argument("--bpe", type=pathlib.Path)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    parser.add_argument("--ours", type=pathlib.Path, default=ROOT / "Benchmarks/.build/release/bench-tokenizer")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--max-length", type=int, default=256)
    options = parser.parse_args()

    equal = True
    if options.bpe:
        if not (options.bpe / "tokenizer.json").exists():
            train_byte_pairs(options.bpe, [text for name, files in SOURCES.items() for text in texts_of(options.shared / "data" / name, files)])
        options.model.append(options.bpe)
    for model in options.model:
        equal &= compare(model, options)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
