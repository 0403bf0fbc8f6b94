"""How fast the Python package is: its import, and its encoding beside the program's own and beside sentence-transformers.

    python Tools/bench-python.py ENCODER COLLECTION [--documents N] [--rounds R] [--threads T]

MAFIN_PROGRAM and MAFIN_LIBRARY name the program and the shared library. ENCODER is a folder (all-MiniLM-L6-v2), COLLECTION a BEIR folder, whose documents are encoded.
The program embeds the same documents with an artefact that is trained for a moment beside ENCODER itself; the time of its start is measured with one document and subtracted. All
take turns, round by round; the best of the rounds is printed, in documents a second, and the ratio of each round's pair.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np


def seconds_of(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def import_seconds(statement):
    """Seconds that a statement takes in a fresh interpreter, without the interpreter's own start."""
    code = f"import time; begin = time.perf_counter(); {statement}; print(time.perf_counter() - begin)"
    return min(float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout) for _ in range(7))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder")
    parser.add_argument("collection")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    os.environ["MAFIN_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(arguments.threads)

    for statement in ["import mafin_embeddings", "from mafin_embeddings import compare", "import numpy", "from mafin_embeddings import Artefact"]:
        print(f"{statement}: {import_seconds(statement):.3f} s")

    from mafin_embeddings import Artefact, read_collection

    collection = read_collection(arguments.collection)
    names = list(collection.corpus)[: arguments.documents]
    texts = [collection.text(name) for name in names]
    artefact = Artefact.load(arguments.encoder)
    begin = time.perf_counter()
    Artefact.load(arguments.encoder)
    print(f"Artefact.load: {time.perf_counter() - begin:.2f} s")

    program = os.environ["MAFIN_PROGRAM"]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.environ["MAFIN_CACHE"] = str(work / "cache")
        handbook = pathlib.Path(__file__).resolve().parent.parent / "Samples/handbook"
        black_box = f"vectors:{handbook / 'black-box'}"
        subprocess.run(
            [program, "train", "--data", handbook, "--black-box", black_box, "--encoder", arguments.encoder, "--output", work / "art",
             "--time", "1s", "--force", "--quiet"], check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        # Stored vectors for the documents to be embedded, so that nothing but the encoder takes time.
        dimension = np.load(handbook / "black-box/corpus.npy").shape[1]
        stored = work / "stored"
        stored.mkdir()
        rows = np.random.default_rng(1).normal(size=(len(names), dimension)).astype(np.float32)
        for kind in ("corpus", "queries"):
            np.save(stored / f"{kind}.npy", rows)
            (stored / f"{kind}.ids").write_text("".join(f"{name}\n" for name in names))

        def embed(count):
            with (work / "texts.jsonl").open("w") as lines:
                lines.writelines(json.dumps({"_id": name, "text": text}) + "\n" for name, text in zip(names[:count], texts[:count]))
            return seconds_of(
                lambda: subprocess.run(
                    [program, "embed", work / "art", "--black-box", f"vectors:{stored}", "--input", work / "texts.jsonl", "--as", "document",
                     "--output", work / "out.npy", "--quiet"], check=True, stdout=subprocess.DEVNULL,
                )
            )  # fmt: skip

        peer = None
        try:
            import torch
            from sentence_transformers import SentenceTransformer

            torch.set_num_threads(arguments.threads)
            peer = SentenceTransformer(arguments.encoder, device="cpu")
        except ImportError:
            print("sentence-transformers is not installed: left out")
        rates = {"Artefact.encode": [], "mafin embed": [], "sentence-transformers": []}
        for _ in range(arguments.rounds):
            rates["Artefact.encode"].append(len(texts) / seconds_of(lambda: artefact.encoder.encode_document(texts)))
            rates["mafin embed"].append((len(texts) - 1) / (embed(len(texts)) - embed(1)))
            if peer:
                rates["sentence-transformers"].append(len(texts) / seconds_of(lambda: peer.encode(texts, show_progress_bar=False)))
    for name, found in rates.items():
        if found:
            print(f"{name}: {max(found):.0f} documents/s, median {statistics.median(found):.0f}")
    for name in ["mafin embed", "sentence-transformers"]:
        if rates[name]:
            ratios = [own / other for own, other in zip(rates["Artefact.encode"], rates[name])]
            print(f"Artefact.encode over {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


main()
