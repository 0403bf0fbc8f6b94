"""Writes Tests/MafinPipelineTests/Goldens/attribution.json: leave-one-out shares of words from Python's sentence-transformers.

Each word is removed from the text, and the rest is encoded again. The words are given here as texts, so that the test also covers how the
tokenizer finds words.

Run: python Tools/write_attribution_goldens.py FOLDER-OF-all-MiniLM-L6-v2
"""

import json
import pathlib
import sys

import goldens
from sentence_transformers import SentenceTransformer

TARGET = pathlib.Path(__file__).parent.parent / "Tests/MafinPipelineTests/Goldens/attribution.json"

# Texts in pieces: (piece, whether it is a word). Joined, the pieces are the text. If a word is left out, the spaces around it stay. A BERT
# tokenizer ignores them.
QUERY = [("Do", True), (" ", False), ("statins", True), (" ", False), ("cause", True), (" ", False),
         ("immunodeficiency", True), ("?", True)]
DOCUMENT = [("Statins", True), ("  ", False), ("lower", True), (" ", False), ("cholesterol", True), (",", True), (" ", False),
            ("naïve", True), (" ", False), ("reader", True), ("!", True), ("\n", False), ("血", True), ("液", True)]


def shares(model, pieces, other):
    text = "".join(piece for piece, _ in pieces)
    texts = [text]
    for index, (_, is_word) in enumerate(pieces):
        if is_word:
            # A space replaces the word, else its neighbours would become one word.
            texts.append("".join(" " if place == index else piece for place, (piece, _) in enumerate(pieces)))
    vectors = model.encode(texts + [other], normalize_embeddings=True)
    scores = vectors[:-1] @ vectors[-1]
    left_out = iter(scores[1:])
    return {
        "text": text,
        "score": float(scores[0]),
        "pieces": [
            {"text": piece, "contribution": float(scores[0] - next(left_out)) if is_word else None}
            for piece, is_word in pieces
        ],
    }


def main(folder):
    versions = goldens.check("sentence-transformers", "torch", "transformers", "tokenizers", "numpy")
    model = SentenceTransformer(folder)
    query = "".join(piece for piece, _ in QUERY)
    document = "".join(piece for piece, _ in DOCUMENT)
    golden = {"query": shares(model, QUERY, document), "document": shares(model, DOCUMENT, query)}
    TARGET.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    goldens.record(TARGET.parent, __file__, versions, TARGET.name)


if __name__ == "__main__":
    main(sys.argv[1])
