"""Collections in and out, with pandas, datasets and LlamaIndex."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from mafin_embeddings import Collection, read_collection, write_collection
from mafin_embeddings.collection import CollectionError

CORPUS = {"d1": {"title": "Statins", "text": "They lower cholesterol.\nTab\there"}, "d2": "Ünïcode — 東京 🙂"}
QUERIES = {"q1": "how do statins work", "q2": "wo ist 東京"}
TRAIN = {"q1": {"d1": 2, "d2": 0}}
TEST = {"q2": {"d2": 1}}


def written(folder):
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


def test_beir_dictionaries_make_the_folder(tmp_path):
    folder = write_collection(tmp_path / "data", CORPUS, QUERIES, {"train": TRAIN, "test": TEST})
    files = written(folder)
    assert set(files) == {"corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv"}
    assert [json.loads(line) for line in files["corpus.jsonl"].splitlines()] == [
        {"_id": "d1", "title": "Statins", "text": "They lower cholesterol.\nTab\there"},
        {"_id": "d2", "title": "", "text": "Ünïcode — 東京 🙂"},
    ]
    assert files["qrels/train.tsv"] == "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"
    assert sorted(os.listdir(tmp_path)) == ["data"]
    back = read_collection(folder)
    assert back.queries == QUERIES and back.qrels == {"train": TRAIN, "test": TEST}
    assert back.corpus["d1"] == CORPUS["d1"] and back.text("d1").startswith("Statins They")


def test_a_triple_of_beir_is_cut_by_the_program(tmp_path):
    collection = Collection.of((CORPUS, QUERIES, {**TRAIN, **TEST}))
    assert list(collection.qrels) == ["all"]
    assert collection.beir("all") == (collection.corpus, QUERIES, {**TRAIN, **TEST})


def test_pandas_in_and_out():
    pandas = pytest.importorskip("pandas")
    corpus = pandas.DataFrame({"_id": ["d1", "d2"], "title": ["Statins", None], "text": ["a", "b"]})
    queries = pandas.DataFrame({"text": ["x", "y"]}, index=pandas.Index(["q1", "q2"], name="id"))
    labels = pandas.DataFrame({"query-id": ["q1", "q1", "q2"], "corpus-id": ["d1", "d2", "d2"], "score": [2.0, 0.0, 1.0]})
    collection = Collection.of(corpus, queries, {"train": labels[:2], "test": labels[2:]})
    assert collection.corpus == {"d1": {"title": "Statins", "text": "a"}, "d2": {"title": "", "text": "b"}}
    assert collection.queries == {"q1": "x", "q2": "y"} and collection.qrels == {"train": TRAIN, "test": TEST}
    frames = collection.frames()
    assert frames["qrels"].to_dict("records")[0] == {"split": "train", "query": "q1", "document": "d1", "grade": 2}
    assert frames["corpus"].loc["d1", "title"] == "Statins" and frames["queries"].loc["q2", "text"] == "y"


def test_datasets_in_and_out():
    datasets = pytest.importorskip("datasets")
    collection = Collection.of(CORPUS, QUERIES, {"train": TRAIN, "test": TEST})
    out = collection.datasets()
    assert out["corpus"].column_names == ["_id", "title", "text"] and isinstance(out["qrels"], datasets.DatasetDict)
    assert Collection.of(out["corpus"], out["queries"], out["qrels"]) == collection
    # The form of BEIR's and MTEB's repositories: one dictionary of the three.
    assert Collection.of(out) == collection
    pairs = datasets.Dataset.from_dict({"anchor": ["x", "x", "y"], "positive": ["a", "b", "a"]})
    found = Collection.of(pairs)
    assert found.queries == {"q1": "x", "q2": "y"} and found.qrels["all"] == {"q1": {"d1": 1, "d2": 1}, "q2": {"d1": 1}}


def llama_index_finetuning():
    """The module with LlamaIndex's class. Its package cannot be imported as a whole without the clients of four vendors."""
    pytest.importorskip("llama_index.core")
    import llama_index

    for root in llama_index.__path__:
        path = Path(root) / "finetuning/embeddings/common.py"
        if path.is_file():
            found = importlib.util.spec_from_file_location("finetuning_common", path)
            module = importlib.util.module_from_spec(found)
            found.loader.exec_module(module)
            return module
    pytest.skip("llama-index-finetuning is not installed")


def test_llama_index_in_and_out(tmp_path):
    finetuning = llama_index_finetuning()
    dataset = finetuning.EmbeddingQAFinetuneDataset(
        queries=QUERIES, corpus={"d1": "a", "d2": "b"}, relevant_docs={"q1": ["d1"], "q2": ["d1", "d2"]}
    )
    collection = Collection.of(dataset)
    assert collection.qrels["all"]["q2"] == {"d1": 1, "d2": 1}
    dataset.save_json(str(tmp_path / "pairs.json"))
    assert read_collection(tmp_path / "pairs.json") == collection
    again = finetuning.EmbeddingQAFinetuneDataset(**collection.llama_index("all"))
    assert again.relevant_docs == dataset.relevant_docs and again.corpus == dataset.corpus


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CORPUS, QUERIES, {"test": {"q9": {"d1": 1}}}), "labels of test: there is no query 'q9'"),
        ((CORPUS, QUERIES, {"test": {"q1": {"d9": 1}}}), "query 'q1': there is no document 'd9'"),
        ((CORPUS, QUERIES, {"test": {"q1": {"d1": 0.5}}}), "whole number as the grade, found 0.5"),
        ((CORPUS, QUERIES, {"test": {"q1": {"d1": -1}}}), "the grade -1 is below 0"),
        ((CORPUS, QUERIES, {"../x": {"q1": {"d1": 1}}}), "no name of a split"),
        (({}, QUERIES, {}), "no documents"),
        (({"d1": {"title": "x"}}, QUERIES, {}), "document 'd1': expected a string or a dictionary with 'text'"),
        (([{"_id": "a", "text": "x"}, {"_id": "a", "text": "y"}], QUERIES, {}), "row 1: the id 'a' occurs twice"),
        (([{"name": "a"}], QUERIES, {}), "expected a field _id or id"),
        ((3,), "found int"),
    ],
)
def test_faults_are_named(arguments, message):
    with pytest.raises(CollectionError) as error:
        Collection.of(*arguments)
    assert message in str(error.value)


def test_nothing_is_overwritten(tmp_path):
    collection = Collection.of(CORPUS, QUERIES, {"test": TEST})
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("mine")
    with pytest.raises(CollectionError, match="exists already"):
        collection.write(tmp_path / "other")
    with pytest.raises(CollectionError, match="exists already"):
        collection.write(tmp_path / "other", replace=True)
    folder = collection.write(tmp_path / "data")
    with pytest.raises(CollectionError, match="replace=True"):
        collection.write(folder)
    Collection.of(CORPUS, QUERIES, {"dev": TEST}).write(folder, replace=True)
    assert set(written(folder)) == {"corpus.jsonl", "queries.jsonl", "qrels/dev.tsv"}
    assert sorted(os.listdir(tmp_path)) == ["data", "other"]


def test_a_failed_write_leaves_nothing(tmp_path):
    collection = Collection.of(CORPUS, QUERIES, {"test": TEST})
    collection.corpus["d3"] = {"title": "", "text": "\ud800"}
    with pytest.raises(UnicodeEncodeError):
        collection.write(tmp_path / "data")
    assert os.listdir(tmp_path) == []


def test_damaged_files_are_named(tmp_path):
    folder = Collection.of(CORPUS, QUERIES, {"test": TEST}).write(tmp_path / "data")
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "x"}\n{"_id": \n')
    with pytest.raises(CollectionError, match=r"queries.jsonl:2"):
        read_collection(folder)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(CollectionError, match="no such file"):
        read_collection(folder)


def test_stored_vectors_are_found_by_text(tmp_path):
    np = pytest.importorskip("numpy")
    from mafin_embeddings import StoredVectors

    rows = np.arange(6, dtype=np.float16).reshape(2, 3)
    for name, ids in [("corpus", ["d2", "d1"]), ("queries", ["q1", "q2"])]:
        np.save(tmp_path / f"{name}.npy", rows)
        (tmp_path / f"{name}.ids").write_text("\n".join(ids) + "\n")
    collection = Collection.of(CORPUS, QUERIES, {"test": TEST})
    stored = StoredVectors(tmp_path, collection)
    assert stored([collection.text("d1"), collection.text("d2")], "document").tolist() == rows[::-1].tolist()
    assert stored(["wo ist 東京"], "query").tolist() == rows[1:].tolist()
    with pytest.raises(LookupError, match="no vector is stored for the query 'another'"):
        stored(["another"], "query")
    (tmp_path / "queries.ids").write_text("q1\n")
    with pytest.raises(ValueError, match="a row for each of the 1 ids"):
        StoredVectors(tmp_path, collection)
    (tmp_path / "queries.ids").write_text("q1\nq3\n")
    with pytest.raises(ValueError, match="no text with the id 'q3'"):
        StoredVectors(tmp_path, collection)
