"""How long the command takes to begin: `mafin --help`, and from the command line to the first step of a training.

    make setup
    python3 Tools/bench-start.py [--mafin .build/release/mafin] [--rounds 9]

The training is on the bundled sample. Medians are printed; the first training is not counted, as it encodes the sample's documents, which later
ones find in a cache.
"""

import argparse
import json
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


def first_step_seconds(mafin):
    with tempfile.TemporaryDirectory() as folder:
        lines = subprocess.run(
            [mafin, "train", "--data", SAMPLE, "--black-box", f"vectors:{SAMPLE}/black-box", "--output", f"{folder}/artefact",
             "--time", "2s", "--rivals", "none", "--mode", "query", "--json"],
            check=True, capture_output=True, text=True).stdout
    return json.loads(lines)["secondsToFirstStep"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mafin", default=str(ROOT / ".build/release/mafin"))
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    first_step_seconds(arguments.mafin)
    print("| | median | slowest |")
    print("|---|---|---|")
    for name, measure in [("`mafin --help`", help_seconds), ("command line to first training step", first_step_seconds)]:
        times = [measure(arguments.mafin) for _ in range(arguments.rounds)]
        print(f"| {name} | {1000 * statistics.median(times):.0f} ms | {1000 * max(times):.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
