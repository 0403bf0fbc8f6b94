#!/usr/bin/env python3
"""Makes a collection in which training knows no answer to half of the test answers.

usage: python3 Tools/resplit_by_documents.py COLLECTION OUTPUT [--share 0.5] [--seed 1]

COLLECTION is a folder in BEIR layout with qrels/train.tsv and qrels/test.tsv, and perhaps qrels/dev.tsv. Of the documents that
are relevant to a test query, a random share is drawn. All labels of these documents are taken out of train and dev, and so are
queries that have no relevant document left. Test keeps all its labels. So test asks for documents that labels name, and for
documents that no label names, as a collection does that grows. qrels/test-new.tsv holds the test queries most of whose answers
no label names, and qrels/test-known.tsv the others.

The identifiers stay the same, so vectors of COLLECTION serve for OUTPUT too. Only the standard library is used.
"""
import argparse
import pathlib
import random
import shutil


def read(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[0], [line.split("\t") for line in lines[1:] if line]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--share", type=float, default=0.5, help="share of the test answers that become unknown")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.output.exists():
        parser.error(f"{options.output} exists")
    _, test = read(options.collection / "qrels/test.tsv")
    answers = sorted({document for _, document, grade in test if float(grade) > 0})
    hidden = set(random.Random(options.seed).sample(answers, round(options.share * len(answers))))
    (options.output / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        shutil.copyfile(options.collection / name, options.output / name)
    for split in ("train", "dev"):
        path = options.collection / f"qrels/{split}.tsv"
        if not path.exists():
            continue
        head, labels = read(path)
        kept = [label for label in labels if label[1] not in hidden]
        answered = {query for query, _, grade in kept if float(grade) > 0}
        kept = [label for label in kept if label[0] in answered]
        text = "\n".join([head] + ["\t".join(label) for label in kept]) + "\n"
        (options.output / f"qrels/{split}.tsv").write_text(text, encoding="utf-8")
        print(f"{split}: {len(answered)} of {len({label[0] for label in labels})} queries, "
              f"{len(kept)} of {len(labels)} labels are left")
    named = {}
    for query, document, grade in test:
        if float(grade) > 0:
            named.setdefault(query, []).append(document not in hidden)
    head, labels = read(options.collection / "qrels/test.tsv")
    for name, is_known in (("new", False), ("known", True)):
        queries = {query for query, found in named.items() if (2 * sum(found) >= len(found)) == is_known}
        text = "\n".join([head] + ["\t".join(label) for label in labels if label[0] in queries]) + "\n"
        (options.output / f"qrels/test-{name}.tsv").write_text(text, encoding="utf-8")
        print(f"test-{name}: {len(queries)} queries")
    print(f"{len(hidden)} of {len(answers)} test answers are named by no label")


if __name__ == "__main__":
    main()
