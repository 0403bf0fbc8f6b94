"""Artefacts through the shared library, compared with sentence-transformers and with what the program prints and writes."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import HANDBOOK, mafin

import mafin_embeddings as package
from mafin_embeddings import Artefact, MafinWarning, MissingBlackBox
from mafin_embeddings.library import LibraryError, NotFound, PackedVectors

pytestmark = pytest.mark.usefixtures("library")

# Rounding in another order than torch's. Vectors have unit length.
TOLERANCE = 2e-5
TEXTS = ["Who mops the dining room?", "", "Ünïcödé — 東京で何を? 🙂", "a\0b", "word " * 700, "\tquotes \" and \\ \n lines"]


def sentence_transformer(folder):
    return pytest.importorskip("sentence_transformers").SentenceTransformer(str(folder), device="cpu")


def embedded(program, folder, work, texts, role, *flags):
    """What `mafin embed` writes, by id."""
    name = f"embedded-{role}-{'-'.join(flags).strip('-')}"
    lines = [json.dumps({"_id": one, "text": text}) for one, text in texts.items()]
    (work / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    mafin(program, "embed", folder, "--input", work / f"{name}.jsonl", "--as", role, "--output", work / f"{name}.npy", "--quiet", *flags)
    assert (work / f"{name}.ids").read_text().split() == list(texts)
    return np.load(work / f"{name}.npy")


# The local encoder


def test_a_released_encoder_is_that_of_sentence_transformers(released, minilm):
    peer = sentence_transformer(minilm)
    found = released.encoder.encode(TEXTS)
    assert found.dtype == np.float32 and found.flags.c_contiguous and found.flags.owndata
    np.testing.assert_allclose(found, peer.encode(TEXTS), atol=TOLERANCE)
    # Its joined vector is the same, because it is the only source.
    np.testing.assert_allclose(released.encode_document(TEXTS), found, atol=1e-6)
    assert released.get_sentence_embedding_dimension() == peer.get_embedding_dimension() == 384
    assert released.encoder.max_seq_length == peer.max_seq_length
    assert released.manifest == {} and [source.name for source in released.sources] == ["local"]


def test_a_trained_encoder_is_that_of_sentence_transformers(artefact, artefact_folder):
    peer = sentence_transformer(artefact_folder / "query-encoder")
    np.testing.assert_allclose(artefact.encoder.encode_query(TEXTS), peer.encode_query(TEXTS), atol=TOLERANCE)
    released = artefact.encoder.encode_document(TEXTS[:1])
    assert np.abs(released - artefact.encoder.encode_query(TEXTS[:1])).max() > 1e-4, "only the side of the queries was trained"


def test_a_prompt_in_place_of_the_encoders_own(released, minilm):
    peer = sentence_transformer(minilm)
    np.testing.assert_allclose(
        released.encoder.encode(["what is it"], prompt="query: "), peer.encode(["what is it"], prompt="query: "), atol=TOLERANCE
    )


def test_every_form_of_the_answer_is_that_of_sentence_transformers(released, minilm):
    peer, own = sentence_transformer(minilm), released.encoder
    texts = TEXTS[:1] + TEXTS[2:4]
    for options in [
        {"truncate_dim": 64},
        {"truncate_dim": 64, "normalize_embeddings": True},
        {"precision": "binary"},
        {"convert_to_tensor": True},
        {"convert_to_numpy": False},
        {"batch_size": 1},
    ]:
        for inputs in [texts, texts[0]]:
            expected, found = peer.encode(inputs, **options), own.encode(inputs, **options)
            assert type(found) is type(expected), options
            if isinstance(found, list):
                assert type(found[0]) is type(expected[0])
                expected, found = [one.numpy() for one in expected], [one.numpy() for one in found]
            assert np.asarray(found).dtype == np.asarray(expected).dtype, options
            if options.get("precision") == "binary":
                differing = np.unpackbits((np.asarray(found) ^ np.asarray(expected)).view(np.uint8)).sum()
                assert differing <= 2, "signs of numbers near 0 only"
            else:
                np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=TOLERANCE)
    levels = own.encode(texts * 4, precision="int8").astype(int) - peer.encode(texts * 4, precision="int8").astype(int)
    assert np.abs(levels).max() <= 1


def test_one_text_at_a_time_gives_the_same(released):
    many = released.encoder.encode(TEXTS)
    np.testing.assert_allclose(np.stack([released.encoder.encode(text) for text in TEXTS]), many, atol=TOLERANCE)
    assert released.encoder.encode([]).shape == (0, 384)
    assert released.encoder.encode(text for text in TEXTS[:2]).shape == (2, 384)


def test_tokens_are_those_of_transformers(released, minilm):
    tokenizer = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(str(minilm))
    expected = [len(tokenizer(text)["input_ids"]) for text in TEXTS]
    assert released.encoder.count_tokens(TEXTS).tolist() == expected


# Joined vectors


def test_joined_vectors_are_those_that_the_program_writes(program, artefact, artefact_folder, handbook, work):
    documents = {one: handbook.text(one) for one in list(handbook.corpus)[:40]}
    queries = dict(list(handbook.queries.items())[:40])
    found = artefact.encode_document(list(documents.values()), ids=list(documents))
    np.testing.assert_allclose(found, embedded(program, artefact_folder, work, documents, "document"), atol=1e-5)
    found = artefact.encode_query(list(queries.values()))
    np.testing.assert_allclose(found, embedded(program, artefact_folder, work, queries, "query"), atol=1e-5)
    offline = artefact.encode_query(list(queries.values()), offline=True)
    np.testing.assert_allclose(offline, embedded(program, artefact_folder, work, queries, "query", "--offline"), atol=1e-5)
    assert np.abs(offline - found).max() > 1e-3
    # Without a black box the stand-in answers.
    np.testing.assert_array_equal(Artefact.load(artefact_folder).encode_query(list(queries.values())), offline)


def test_vectors_of_a_call_take_the_place_of_the_black_box(artefact, black_box, handbook):
    texts = list(handbook.queries.values())[:5]
    given = black_box(texts, "query")
    np.testing.assert_array_equal(artefact.encode_query(texts, black_box=given), artefact.encode_query(texts))
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(artefact.encode_query(texts, black_box=torch.from_numpy(given)), artefact.encode_query(texts))
    np.testing.assert_array_equal(artefact.encode_query(texts[0], black_box=given[0]), artefact.encode_query(texts[0]))
    # A contiguous float32 array is not copied on its way.
    assert np.shares_memory(PackedVectors(given, 5, "").array, given)


def test_the_inner_product_is_the_score(pair, handbook):
    documents = [handbook.text(one) for one in handbook.corpus]
    queries = list(handbook.queries.values())[:20]
    index = pair.make_index(documents)
    products = pair.similarity(pair.encode_query(queries), pair.encode_document(documents))
    np.testing.assert_allclose(index.scores(queries), products, atol=1e-5)


def test_what_is_missing_is_named(pair_folder, artefact_folder, handbook):
    alone = Artefact.load(pair_folder)
    assert not alone.has_stand_in
    with pytest.raises(MissingBlackBox, match=r"vectors of queries \(768 numbers each\): pass black_box="):
        alone.encode_query("x")
    with pytest.raises(MissingBlackBox, match="vectors of documents"):
        Artefact.load(artefact_folder).encode_document(["x"])
    with pytest.raises(MissingBlackBox):
        alone.make_index(["x"])
    with pytest.raises(LibraryError, match="stand-in"):
        alone.encode_query("x", offline=True)
    assert alone.encoder.encode_query("x").shape == (384,)


def test_wrong_arguments_are_named(artefact, released):
    for message, call in [
        ("expected 2 rows of numbers", lambda: artefact.encode_query(["a", "b"], black_box=np.ones((3, 768)))),
        ("768", lambda: artefact.encode_query(["a"], black_box=np.ones((1, 5)))),
        ("zero", lambda: artefact.encode_query(["a"], black_box=np.zeros((1, 768)))),
        ("artefact.encoder", lambda: artefact.encode("x", prompt="query: ")),
        ("cut off whole sources", lambda: artefact.encode("x", truncate_dim=100)),
        ("prompt_name must be", lambda: artefact.encode("x", prompt_name="passage")),
        ("output_value", lambda: artefact.encode("x", output_value="token_embeddings")),
        ("on the CPU", lambda: artefact.encode("x", device="cuda:0")),
        ("pool is not available", lambda: artefact.encode("x", pool={})),
        ("batch_size must be", lambda: artefact.encode("x", batch_size=0)),
        ("precision must be", lambda: artefact.encode("x", precision="float16")),
        ("text 1: it cannot be written as UTF-8", lambda: released.encode(["fine", "\ud800"])),
        ("an id for each text", lambda: artefact.encode_document(["a", "b"], ids=["1"])),
    ]:
        with pytest.raises(ValueError) as error:
            call()
        assert message in str(error.value), message
    with pytest.raises(TypeError, match="text 1: expected a str, found int"):
        released.encode(["fine", 3])
    with pytest.raises(TypeError, match="expected a function of texts"):
        package.as_black_box(3)


def test_folders_that_are_no_artefacts(library, tmp_path, artefact_folder):
    with pytest.raises(NotFound, match="nowhere"):
        Artefact.load(tmp_path / "nowhere")
    with pytest.raises(LibraryError, match=str(tmp_path)):
        Artefact.load(tmp_path)
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", artefact_folder, broken], check=True)
    file = broken / "query-encoder/model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    Artefact.load(broken)  # lengths alone are compared
    with pytest.raises(LibraryError, match="model.safetensors"):
        Artefact.load(broken, verify=True)


def test_an_artefact_tells_what_it_is(artefact, artefact_folder):
    manifest = json.loads((artefact_folder / "manifest.json").read_text())
    assert artefact.manifest == manifest
    assert artefact.black_box_dimension == 768 and artefact.get_embedding_dimension() == 1152 and artefact.has_stand_in
    names = [source.name for source in artefact.sources]
    assert names[:2] == ["black-box", "local"] and "bm25" in names
    assert "bm25" in repr(artefact)
    copy = pickle.loads(pickle.dumps(Artefact.load(artefact_folder)))
    np.testing.assert_array_equal(copy.encode_query("x"), artefact.encode_query("x", offline=True))
    before = artefact.counters()
    artefact.encoder.encode_query(["x", "y"])
    artefact.encoder.encode_query(["word " * 700])
    after = artefact.counters()
    assert after.queries_encoded == before.queries_encoded + 3 and after.texts_at_limit == before.texts_at_limit + 1


def test_a_copy_in_another_process_is_opened_alike(minilm, library):
    short = Artefact.load(minilm, max_seq_length=16, precision="int8")
    copy = pickle.loads(pickle.dumps(short))
    assert copy.encoder.max_seq_length == 16 and copy.description["precision"] == "int8"
    np.testing.assert_array_equal(copy.encode(TEXTS), short.encode(TEXTS))


def test_encoders_compute_in_the_precision_that_is_asked_for(released, minilm, artefact_folder, index_folder):
    rows, exact = Artefact.load(minilm, precision="int8").encoder.encode(TEXTS), released.encoder.encode(TEXTS)
    assert np.abs(rows - exact).max() > 1e-4 and (rows * exact).sum(axis=1).min() > 0.95
    with pytest.raises(ValueError, match="expected float32, bf16 or int8 as precision, found 'half'"):
        Artefact.load(minilm, precision="half")
    with pytest.raises(LibraryError, match="documents embedded in float32 for queries in int8"):
        Artefact.load(artefact_folder, precision="int8").open_index(index_folder)


# Indexes


@pytest.fixture(scope="session")
def index_folder(program, artefact_folder, work):
    mafin(program, "index", artefact_folder, "--data", HANDBOOK, "--output", work / "index", "--quiet")
    return work / "index"


def ranked(answer):
    return [(hit["id"], hit["score"]) for hit in answer["results"]]


@pytest.mark.parametrize("flags", [[], ["--offline"], ["--weight", "bm25=0"], ["--weight", "black-box=0", "--weight", "local=1"]])
def test_a_search_is_that_of_the_program(program, artefact, artefact_folder, index_folder, handbook, flags):
    weights = {flag.split("=")[0]: float(flag.split("=")[1]) for flag in flags if "=" in flag} or None
    documents = [handbook.text(one) for one in handbook.corpus]
    made = artefact.make_index(documents, list(handbook.corpus))
    for query in list(handbook.queries.values())[:2]:
        answer = json.loads(mafin(program, "search", artefact_folder, "--data", HANDBOOK, "--quiet", "--json", *flags, query))
        for index in (index_folder, made):
            found = artefact.search(query, index, offline="--offline" in flags, weights=weights)
            np.testing.assert_allclose([hit.score for hit in found], [score for _, score in ranked(answer)], atol=2e-5)
            assert [hit.id for hit in found] == [one for one, _ in ranked(answer)]
            for hit, raw in zip(found, answer["results"]):
                for part in raw["parts"]:
                    assert hit.parts.get(part["source"], 0) == pytest.approx(part["value"], abs=2e-5)
                assert sum(hit.parts.values()) == pytest.approx(hit.score, abs=1e-5)


def test_documents_of_an_index(artefact, index_folder, handbook):
    index = artefact.open_index(index_folder)
    assert len(index) == len(handbook.corpus)
    name = list(handbook.corpus)[7]
    document = index.document(index.row(name))
    assert (document.id, document.title, document.text) == (name, handbook.corpus[name]["title"], handbook.corpus[name]["text"])
    with pytest.raises(LookupError):
        index.row("no such document")
    with pytest.raises(LookupError):
        index.document(len(index))
    with pytest.raises(ValueError, match="no source is called nothing"):
        index.search("x", weights={"nothing": 1})
    hits = index.search(list(handbook.queries.values())[:2], top_k=10_000)
    assert len(hits) == 2 and len(hits[0]) <= len(index) and [hit.rank for hit in hits[0]] == list(range(1, len(hits[0]) + 1))
    for rows in ([0.5], [-1], [[0, 1]]):
        with pytest.raises(ValueError, match="rows: expected whole numbers"):
            index.scores(["x"], rows, offline=True)
    chosen = index.scores(list(handbook.queries.values())[:2], [hits[0][3].row, hits[0][0].row])
    assert chosen[0, 1] == pytest.approx(hits[0][0].score, abs=1e-5) and chosen[0, 0] == pytest.approx(hits[0][3].score, abs=1e-5)


def test_an_index_outlives_its_artefact(artefact_folder, index_folder):
    index = Artefact.load(artefact_folder).open_index(index_folder)
    assert len(index.search("who mops?", 3, offline=True)) == 3


# Threads, interrupts, processes


def test_python_goes_on_while_the_library_computes(released):
    """The interpreter's lock is released: another thread counts while one call computes."""
    done = threading.Event()
    thread = threading.Thread(target=lambda: (released.encoder.encode(["a text of some length " * 10] * 192), done.set()))
    thread.start()
    count = 0
    while not done.is_set():
        count += 1
        time.sleep(0)
    thread.join()
    assert count > 1000


def test_two_threads_run_side_by_side(released):
    """A short call begins and ends within a long one."""
    order = []
    begun = threading.Event()

    def long():
        # The callback of the first piece tells that the call is at work.
        released.encoder._encode(
            ["a text of some length " * 10] * 512, "document", prompt=None, ids=None, black_box=None, offline=None, truncate_dim=None,
            progress=lambda done, total: begun.set(),
        )  # fmt: skip
        order.append("long")

    thread = threading.Thread(target=long)
    thread.start()
    assert begun.wait(60)
    for _ in range(3):
        released.encoder.encode_query("short")
        order.append("short")
    thread.join()
    assert order == ["short", "short", "short", "long"]


def test_many_threads_get_what_one_gets(artefact, handbook):
    queries = list(handbook.queries.values())[:24]
    expected = artefact.encode_query(queries, offline=True)
    found = [None] * 8

    def work(number):
        found[number] = np.stack([artefact.encode_query(query, offline=True) for query in queries[number * 3 : number * 3 + 3]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(np.concatenate(found), expected, atol=TOLERANCE)


def test_an_interrupt_ends_a_call(released):
    texts = ["a text of some length " * 10] * 20_000
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        released.encoder.encode(texts)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert released.encoder.encode("x").shape == (384,)


def test_an_error_of_a_progress_bar_ends_the_call_and_is_raised(released, monkeypatch):
    class Bar:
        n = 0

        def __init__(self, **options):
            pass

        def update(self, count):
            raise RuntimeError("a fault of the bar")

        def close(self):
            pass

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    with pytest.raises(RuntimeError, match="a fault of the bar"):
        released.encoder.encode(TEXTS[:2] * 100, show_progress_bar=True)


def test_a_bar_counts_the_texts(released, capsys):
    released.encoder.encode(TEXTS[:2] * 100, show_progress_bar=True)
    assert "200/200" in capsys.readouterr().err
    released.encoder.encode(TEXTS)
    assert capsys.readouterr().err == ""


def test_a_forked_process_is_told_to_spawn(released):
    child = os.fork()
    if child == 0:
        # A handle that goes away in the child does not reach the library.
        released._model._close()
        for call in (lambda: released.encoder.encode("x"), released.get_embedding_dimension):
            try:
                call()
            except LibraryError as error:
                if "spawn" in str(error):
                    continue
                os._exit(2)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert released.encoder.encode("x").shape == (384,)


def test_processes_that_are_spawned_load_it_again(minilm, library, tmp_path):
    (tmp_path / "spawned.py").write_text(
        "import multiprocessing\n"
        "from mafin_embeddings import Artefact\n"
        "def first(artefact): return float(artefact.encode('x')[0])\n"
        "if __name__ == '__main__':\n"
        f"    artefact = Artefact.load({str(minilm)!r})\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        assert pool.map(first, [artefact]) == [first(artefact)]\n"
    )
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(package.__file__)))
    subprocess.run([sys.executable, tmp_path / "spawned.py"], check=True, env=environment, timeout=120)


# Warnings


def judged(folder, target, **verdict):
    """A copy of an artefact with another verdict."""
    shutil.copytree(folder, target)
    manifest = json.loads((target / "manifest.json").read_text())
    manifest["verdict"] = {"isForced": False, **verdict}
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def test_what_may_spoil_results_is_warned_of(pair_folder, tmp_path):
    with pytest.warns(MafinWarning, match="against showed no gain on dev. It loses.$") as found:
        loaded = Artefact.load(judged(pair_folder, tmp_path / "against", decision="do-not-ship", reason="It loses."))
    assert [str(one.message) for one in found] == list(loaded.warnings) and found[0].filename == __file__
    with pytest.warns(MafinWarning, match="untold: on dev it could not be told whether it gains. So few."):
        Artefact.load(judged(pair_folder, tmp_path / "untold", decision="cannot-tell", reason="So few."))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Artefact.load(judged(pair_folder, tmp_path / "for", decision="ship", reason="It gains.")).warnings == ()
        forced = judged(pair_folder, tmp_path / "forced", decision="do-not-ship", reason="It loses.", isForced=True)
        assert Artefact.load(forced).warnings == ()
    with pytest.warns(MafinWarning, match="forced does not say what int8 changes in its rankings"):
        assert len(Artefact.load(forced, precision="int8").warnings) == 1


def test_a_wrong_kernel_is_warned_of(pair_folder, library):
    # In a process of its own, which the finding stays in.
    code = f"""
import ctypes, sys, warnings
from mafin_embeddings import Artefact
loaded = ctypes.CDLL({str(library)!r})
if not hasattr(loaded, "mafin_break_kernels"):
    sys.exit(77)
loaded.mafin_int8_kernel_name.restype = ctypes.c_char_p
if loaded.mafin_int8_kernel_name() == b"portable":
    sys.exit(78)
loaded.mafin_break_kernels(True)
warnings.simplefilter("always")
print(Artefact.load({str(pair_folder)!r}, precision="int8").warnings[-1])
"""
    source = str(Path(package.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=source))
    if done.returncode == 77:
        pytest.skip("the library of the wheel has no function that breaks kernels")
    if done.returncode == 78:
        pytest.skip("this processor has the portable kernels alone, which are not checked")
    assert done.returncode == 0, done.stderr
    sentence = "computes wrong numbers on this processor and is not used"
    assert sentence in done.stdout
    assert "MafinWarning: the " in done.stderr and sentence in done.stderr
