"""Writes a collection of pictures from labelled pictures: pictures of the same class are relevant to each other.

A collection has documents and queries of every class, and labels for the splits train, dev and test. In `all`, every class is in every split. In
`held-out`, a draw gives six classes to train, two to dev and two to test: what is learned must hold for classes that were never labelled. The
documents of all classes are in the corpus in either case. Used by `fashion_mnist.py` and `cifar10.py`.
"""

import json
import pathlib
import random

SPLITS = {"train": 6, "dev": 2, "test": 2}


def arguments(parser):
    parser.add_argument("output", type=pathlib.Path, help="folder of the collection")
    parser.add_argument("--held-out", type=int, metavar="DRAW", help="hold classes out; the draw (1, 2, 3) says which")
    parser.add_argument("--documents", type=int, default=100, help="documents of a class (default: 100)")
    parser.add_argument("--queries", type=int, default=150, help="queries of a class, over all splits (default: 150)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the pictures (default: 1)")


def classes_of_splits(names, draw):
    """The classes that each split has."""
    if draw is None:
        return {split: names for split in SPLITS}
    order = sorted(names)
    random.Random(f"classes {draw}").shuffle(order)
    chosen, start = {}, 0
    for split, count in SPLITS.items():
        chosen[split] = order[start : start + count]
        start += count
    return chosen


def write(options, documents, queries, extension):
    """`documents` and `queries`: for each class its pictures, functions that give the bytes of a file."""
    names = sorted(documents)
    assert names == sorted(queries) and len(names) == sum(SPLITS.values())
    splits = classes_of_splits(names, options.held_out)
    output = options.output
    (output / "images").mkdir(parents=True, exist_ok=True)
    (output / "qrels").mkdir(exist_ok=True)

    def rows(kind, pictures, count):
        made = {}
        for name in names:
            chosen = random.Random(f"{kind} {name} {options.seed}").sample(range(len(pictures[name])), count)
            made[name] = []
            for number, place in enumerate(chosen):
                identifier = f"{kind}-{name}-{number}"
                path = f"images/{identifier}{extension}"
                (output / path).write_bytes(pictures[name][place]())
                made[name].append({"_id": identifier, "image": path})
        return made

    def write_rows(file, made):
        lines = [json.dumps(row) + "\n" for name in names for row in made[name]]
        (output / file).write_text("".join(lines))

    corpus = rows("document", documents, options.documents)
    asked = rows("query", queries, options.queries)
    write_rows("corpus.jsonl", corpus)
    write_rows("queries.jsonl", asked)
    start = 0
    for split, share in SPLITS.items():
        # With held-out classes all queries of a class are in one split.
        end = start + options.queries * share // sum(SPLITS.values())
        part = slice(start, end) if options.held_out is None else slice(None)
        lines = ["query-id\tcorpus-id\tscore\n"]
        for name in splits[split]:
            lines += [f"{query['_id']}\t{document['_id']}\t1\n" for query in asked[name][part] for document in corpus[name]]
        (output / "qrels" / f"{split}.tsv").write_text("".join(lines))
        start = end
        print(f"{split}: classes {', '.join(splits[split])}")
    print(f"{output}: {options.documents * len(names)} documents, {options.queries * len(names)} queries")
