"""Compares the figures of `mafin compare` for rivals with those of the rivals' own code, on the same texts, vectors and labels: nDCG@10 and Recall@100 on test.

    python3 -m venv VENV && VENV/bin/pip install torch nudge-ft bm25s PyStemmer pytrec-eval-terrier
    VENV/bin/python Tools/compare-rivals.py --data ../shared/data/nfcorpus --vectors ../shared/vectors/nfcorpus [--report OUT] [--answers-only] [--check 0.003]

NUDGE-N and NUDGE-M are the authors' package. BM25 is bm25s with the same stop words and stemmer. `--report` is the folder that `mafin compare` wrote.
`--check` ends with status 1 if one of our systems is below its peer by more than this in nDCG@10, or if BM25 differs by more in either direction.
`--answers-only` ranks only the documents that the test labels name, as some papers do. The rankings in runs/ of OUT are cut to these documents.
"""

import argparse
import contextlib
import io
import json
import pathlib

import bm25s
import numpy as np
import pytrec_eval
import Stemmer
import torch
from nudge import NUDGEM, NUDGEN

MEASURES = {"ndcg_cut_10": "nDCG@10", "recall_100": "Recall@100"}


def rows(path):
    return [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]


def labels(path):
    found = {}
    for line in path.read_text().split("\n")[1:]:
        if line:
            query, document, grade = line.split("\t")
            found.setdefault(query, {})[document] = int(grade)
    return found


def vectors(folder, kind):
    ids = (folder / f"{kind}.ids").read_text().split("\n")[:-1]
    values = np.load(folder / f"{kind}.npy").astype(np.float32)
    return dict(zip(ids, values / np.linalg.norm(values, axis=1, keepdims=True)))


def top(scores, ids):
    best = np.argpartition(-scores, min(1000, len(ids) - 1))[:1000]
    return {ids[index]: float(scores[index]) for index in best}


def means(run, qrels, among):
    run = {query: {document: score for document, score in found.items() if among is None or document in among}
           for query, found in run.items()}
    values = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100"}).evaluate(run).values()
    return [np.mean([value[name] for value in values]) for name in MEASURES]


def nudge(method, documents, sets):
    with contextlib.redirect_stdout(io.StringIO()):
        moved = method(device=torch.device("cpu")).finetune_embeddings(documents, sets["train"], sets["dev"])
    return sets["test"]["q_embs"] @ np.asarray(moved, dtype=np.float32).T


def lexical(texts, queries):
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False), show_progress=False)
    for terms in bm25s.tokenize(queries, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False):
        known = [term for term in terms if term in index.vocab_dict]
        yield index.get_scores(known) if known else np.zeros(len(texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--vectors", type=pathlib.Path, required=True)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--answers-only", action="store_true")
    parser.add_argument("--check", type=float)
    arguments = parser.parse_args()

    corpus = rows(arguments.data / "corpus.jsonl")
    ids = [document["_id"] for document in corpus]
    place = {document: row for row, document in enumerate(ids)}
    texts = [(document.get("title", "") + " " + document["text"]).strip() for document in corpus]
    asked = {query["_id"]: query["text"] for query in rows(arguments.data / "queries.jsonl")}
    known = {kind: vectors(arguments.vectors, kind) for kind in ("corpus", "queries")}
    documents = np.stack([known["corpus"][document] for document in ids])
    qrels = {split: labels(arguments.data / "qrels" / f"{split}.tsv") for split in ("train", "dev", "test")}
    sets = {
        split: {
            "q_embs": np.stack([known["queries"][query] for query in judged]),
            "q_ans_indx": [[place[d] for d, grade in grades.items() if grade > 0] for grades in judged.values()],
        } for split, judged in qrels.items()
    }
    test = {query: grades for query, grades in qrels["test"].items() if any(grade > 0 for grade in grades.values())}
    among = {document for grades in test.values() for document in grades} if arguments.answers_only else None

    def run(scores):
        return {query: top(row, ids) for query, row in zip(qrels["test"], scores) if query in test}

    peers = {
        "bm25": means(run(lexical(texts, [asked[query] for query in qrels["test"]])), test, among),
        "nudge-n": means(run(nudge(NUDGEN, documents, sets)), test, among),
        "nudge-m": means(run(nudge(NUDGEM, documents, sets)), test, among),
    }
    ours = {}
    if arguments.report:
        for system in json.loads((arguments.report / "report.json").read_text())["systems"]:
            ours[system["name"]] = [system["metrics"][name] for name in MEASURES.values()]
            path = arguments.report / "runs" / f"{system['name']}.run"
            if among is not None and path.exists():
                found = {}
                for line in path.read_text().splitlines():
                    query, _, document, _, score, _ = line.split()
                    found.setdefault(query, {})[document] = float(score)
                ours[system["name"]] = means(found, test, among)
    names = list(peers) + ([name for name in ours if "adapter" in name] if arguments.answers_only else [])
    for name in names:
        theirs = "".join(f" {value:.4f} |" for value in peers.get(name, [])) or " | |"
        print(f"| {name} |{theirs}" + "".join(f" {value:.4f} |" for value in ours.get(name, [])), flush=True)
    if arguments.check is not None:
        missing = [name for name in peers if name not in ours]
        apart = [
            f"{name}: {ours[name][0]:.4f}, its own code {peers[name][0]:.4f}" for name in peers if name in ours
            and (peers[name][0] - ours[name][0] > arguments.check or name == "bm25" and abs(peers[name][0] - ours[name][0]) > arguments.check)
        ]
        if missing or apart:
            raise SystemExit("\n".join([f"{name}: no figure of ours" for name in missing] + apart))


if __name__ == "__main__":
    main()
