"""Trains the sample on 1, 2, 3 and 4 processes under OpenMPI and MPICH and compares every loss: Scripts/test-mpi.sh runs it.

    compare_mpi_runs.py --mafin MAFIN --folder WORK [--tolerance 1e-5]

WORK holds the encoders 'model' and 'wide'; the layers of the latter are large enough for sums of their own, which run beside the backward pass.
Needs only Python's standard library and an MPI.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "Samples" / "handbook"
LAUNCHERS = {
    "OpenMPI": ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "--mca", "btl_vader_single_copy_mechanism", "none"],
    "MPICH": ["mpirun.mpich"],
}
# Without this, a process that waits takes a whole core.
ENVIRONMENT = os.environ | {"MAFIN_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}


def command(given, output, mode, epochs=2, extra=(), encoder="model"):
    return [
        given.mafin, "train", "--data", str(SAMPLE), "--black-box", f"vectors:{SAMPLE / 'black-box'}", "--encoder",
        str(given.folder / encoder), "--mode", mode, "--epochs", str(epochs), "--time", "1h", "--rivals", "none", "--output",
        str(output), "--json", *extra]


def history(output):
    """Losses and figures of every evaluation, from the artefact."""
    manifest = json.loads((output / "manifest.json").read_text())
    return [
        (record["step"], record.get("smoothedLoss") or 0.0, record["result"]["metric"], record["result"]["logLikelihood"])
        for record in manifest["training"]["hyperparameters"]["history"]]


def train(given, name, processes, mode, extra=(), launcher=None, encoder="model"):
    output = given.folder / f"{name}-{encoder}-{mode}-{processes}"
    shutil.rmtree(output, ignore_errors=True)
    line = command(given, output, mode, extra=extra, encoder=encoder)
    if processes > 1:
        line = [*LAUNCHERS[launcher], "-n", str(processes), *line]
    began = time.time()
    done = subprocess.run(line, env=ENVIRONMENT | {"MAFIN_CACHE": str(given.folder / "cache")}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(line)} ended with status {done.returncode}:\n{done.stderr}")
    json.loads(done.stdout)  # Only the first process prints.
    return history(output), time.time() - began


def difference(one, other):
    steps = [[record[0] for record in run] for run in (one, other)]
    if steps[0] != steps[1]:
        # How often dev is evaluated depends on how long an evaluation takes, and each evaluation fits the scores' scale again.
        print(f"not comparable: evaluated after the steps {steps[0]}, and {steps[1]}")
        return float("inf")
    return max(abs(a - b) for x, y in zip(one, other) for a, b in zip(x[1:], y[1:]))


def kill_one(given, launcher):
    """Kills a rank in the middle of a run, and resumes with another number of processes. With the small encoder, whose evaluations are so
    short that all runs make the same number of them."""
    output = given.folder / f"killed-{launcher}"
    extra = ["--checkpoint-every", "1ms", "--quiet"]
    line = [*LAUNCHERS[launcher], "-n", "3", *command(given, output, "block", epochs=6, extra=extra)]
    environment = ENVIRONMENT | {"MAFIN_CACHE": str(given.folder / "cache")}
    run = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    latest = output.parent / (output.name + ".training") / "mafin" / "latest.json"
    deadline = time.time() + 300
    first = None
    while True:  # Until a checkpoint of some steps is there.
        if run.poll() is not None or time.time() > deadline:
            run.kill()
            sys.exit(f"{launcher}: the run ended before it was killed: {run.stderr.read()}")
        try:
            name = json.loads(latest.read_text())["folder"]
            if first is None:
                first = name
            elif name.split("-")[1] != first.split("-")[1] and int(name.split("-")[1]) > 0:
                break
        except (OSError, ValueError):
            pass
        time.sleep(0.01)
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = status.read_bytes().split(b"\0")
            variables = (status.parent / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if words and words[0] == str(given.mafin).encode() and str(output).encode() in words:
            if b"OMPI_COMM_WORLD_RANK=2" in variables or b"PMI_RANK=2" in variables:
                found.append(int(status.parent.name))
    if not found:
        sys.exit(f"{launcher}: rank 2 was not found")
    os.kill(found[0], signal.SIGKILL)
    status = run.wait(timeout=120)
    if status == 0:
        sys.exit(f"{launcher}: a run whose rank was killed ended with status 0")
    resumed = subprocess.run(
        [*LAUNCHERS[launcher], "-n", "2", *command(given, output, "block", epochs=6, extra=[*extra, "--resume"])],
        env=environment, capture_output=True, text=True)
    if resumed.returncode != 0:
        sys.exit(f"{launcher}: resuming ended with status {resumed.returncode}:\n{resumed.stderr}")
    whole = given.folder / "not-killed"
    if not whole.exists():
        subprocess.run(command(given, whole, "block", epochs=6, extra=["--quiet"]), env=environment, check=True,
                       stdout=subprocess.DEVNULL)
    return difference(history(output), history(whole)), status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    given = parser.parse_args()
    faults = 0
    available = [name for name, line in LAUNCHERS.items() if shutil.which(line[0])]
    if not available:
        sys.exit("no mpirun was found")
    for encoder, mode in [("model", "query"), ("model", "block"), ("model", "pair"), ("wide", "pair")]:
        alone, seconds = train(given, "alone", 1, mode, encoder=encoder)
        print(f"{encoder} {mode:5}  1 process: {alone[-1][0]} steps, loss {alone[-1][1]:.6f}, nDCG@10 on dev {alone[-1][2]:.4f}, {seconds:.1f} s")
        for launcher in available:
            for processes in [2, 3, 4] if launcher == "OpenMPI" else [2, 4]:
                found, seconds = train(given, launcher, processes, mode, launcher=launcher, encoder=encoder)
                worst = difference(alone, found)
                faults += not worst < given.tolerance
                print(f"{encoder} {mode:5}  {processes} processes of {launcher}: largest difference of losses and figures {worst:.2e}, {seconds:.1f} s")
    for launcher in available:
        worst, status = kill_one(given, launcher)
        faults += not worst < given.tolerance
        print(f"rank 2 of 3 killed ({launcher} ended with {status}), resumed on 2: largest difference to a run that was not killed {worst:.2e}")
    if faults:
        sys.exit(f"{faults} runs differ by {given.tolerance} or more")


if __name__ == "__main__":
    main()
