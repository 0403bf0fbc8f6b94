"""Measures how long the command takes to begin: `mafin --help`, and the time from the command line to the first step of a training.

    make setup
    python3 Tools/bench-start.py [--mafin .build/release/mafin] [--rounds 9] [--data DIR --black-box vectors:DIR --encoder ID]

The training is on the bundled sample, or on another collection. It trains the query side and needs the released encoder's vectors of the documents.
The first training computes them, and later ones find them in a cache. So a first training, with an empty cache, is timed separately.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "Samples/handbook"


def help_seconds(mafin):
    begun = time.perf_counter()
    subprocess.run([mafin, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def first_step_seconds(arguments, cache):
    encoder = ["--encoder", arguments.encoder] if arguments.encoder else []
    with tempfile.TemporaryDirectory() as folder:
        lines = subprocess.run(
            [arguments.mafin, "train", "--data", arguments.data, "--black-box", arguments.black_box, "--output", f"{folder}/artefact",
             "--time", "2s", "--rivals", "none", "--mode", "query", "--json", *encoder],
            check=True, capture_output=True, text=True, env={**os.environ, "MAFIN_CACHE": cache}).stdout
    return json.loads(lines)["secondsToFirstStep"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mafin", default=str(ROOT / ".build/release/mafin"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", default=str(SAMPLE))
    parser.add_argument("--black-box", default=f"vectors:{SAMPLE}/black-box")
    parser.add_argument("--encoder")
    arguments = parser.parse_args()
    print("| | median | slowest |")
    print("|---|---|---|")

    def report(name, times):
        print(f"| {name} | {1000 * statistics.median(times):.0f} ms | {1000 * max(times):.0f} ms |", flush=True)

    report("`mafin --help`", [help_seconds(arguments.mafin) for _ in range(arguments.rounds)])
    with tempfile.TemporaryDirectory() as cache:
        report("from the command line to the first training step, documents' vectors not yet in the cache", [first_step_seconds(arguments, cache)])
        report("the same, with them in the cache", [first_step_seconds(arguments, cache) for _ in range(arguments.rounds)])


if __name__ == "__main__":
    main()
