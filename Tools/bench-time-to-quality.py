"""Measures the dev nDCG@10 that plain PyTorch reaches on pairs after each few minutes, to compare the time of `mafin train` with.

    PEER-HOME/venv/bin/python Tools/bench-time-to-quality.py train --shared ../shared --states FOLDER [--minutes 60] [--mode pair]
    PEER-HOME/venv/bin/python Tools/bench-time-to-quality.py evaluate --shared ../shared --states FOLDER

`train` runs `bench/mafin.py` of the shared folder with two changes. Its clock counts the process's CPU seconds divided by the number of
threads, so that other work on the machine does not slow the peer. And it saves its weights, and does not evaluate on test.
`evaluate` prints for each saved state the nDCG@10 on **dev** of the half-and-half mix, of the best lambda of a sweep on dev, and of the (a, b)
fitted by likelihood on dev, which is the figure that `mafin train` shows. Encoding the corpus takes the peer some minutes. The hour does not
include them.
"""

import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def patched(source, *changes):
    for old, new in changes:
        if source.count(old) == 0:
            raise SystemExit(f"bench/mafin.py has changed: it no longer contains {old!r}")
        source = source.replace(old, new)
    return source


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["train", "evaluate"])
    parser.add_argument("--shared", default=str(ROOT.parent / "shared"))
    parser.add_argument("--states", required=True, help="Folder of the saved weights.")
    parser.add_argument("--data", default="nfcorpus")
    parser.add_argument("--mode", default="pair")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=10, help="Minutes between saved states.")
    arguments = parser.parse_args()
    bench = pathlib.Path(arguments.shared) / "bench"
    states = pathlib.Path(arguments.states)
    states.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(bench))
    source = (bench / "mafin.py").read_text()
    sys.argv = ["mafin.py", "--data", arguments.data, "--mode", arguments.mode, "--calibrate",
                "--every", str(arguments.every), "--minutes", str(arguments.minutes)]
    if arguments.action == "train":
        source = patched(
            source, ("time.perf_counter()", "(time.process_time() / torch.get_num_threads())"),
            ("def evaluate(model, tag):\n",
             "def evaluate(model, tag):\n"
             "    torch.save(model.state_dict(), f'{STATES}/{tag.replace(\" \", \"_\")}.pt')\n"
             "    print(tag, flush=True)\n    return\n"))
        exec(compile(source, "mafin.py", "exec"), {"__name__": "__main__", "STATES": str(states)})
        return
    # Only the definitions. The training below them must not run here.
    definitions = source[:source.index("model = C.bert(")]
    names = {"__name__": "__main__"}
    exec(compile(definitions, "mafin.py", "exec"), names)
    numpy, torch, queries = names["np"], names["torch"], names["queries"]
    for path in sorted(states.glob("*.pt"), key=lambda path: path.stat().st_mtime):
        model = names["C"].bert("minilm", dropout=0).eval()
        model.load_state_dict(torch.load(path))
        judged = names["qrels"]["dev"]
        ids = list(judged)
        local = names["encode"](model, [queries[i] for i in ids], size=64).numpy() @ names["document_vectors"](model).numpy().T
        black_box = names["bb"](ids, names["docs"])
        ndcg = lambda scores: names["metrics"](scores, ids, judged)[0]
        a, b = names["likelihood_fit"](
            torch.tensor(black_box), torch.tensor(local), names["gains"](ids, names["docs"], judged))
        print(json.dumps({
            "state": path.stem, "black_box": ndcg(black_box), "local": ndcg(local), "half": ndcg(black_box + local),
            "swept": max(ndcg((1 - x) * black_box + x * local) for x in numpy.linspace(0, 1, 21)),
            "likelihood": ndcg(a * black_box + b * local)}), flush=True)


if __name__ == "__main__":
    main()
