"""The adapters, with the real packages: each gives the vectors of the artefact, and does the package's own work with them."""

import asyncio
import json

import numpy as np
import pytest
from conftest import HANDBOOK

pytestmark = pytest.mark.usefixtures("library")

COUNT = 40


@pytest.fixture(scope="module")
def texts(handbook):
    """Documents, queries and the joined vectors that every adapter must give."""
    return [handbook.text(one) for one in list(handbook.corpus)[:COUNT]], list(handbook.queries.values())[:5]


@pytest.fixture(scope="module")
def expected(pair, texts):
    documents, queries = texts
    return pair.encode_document(documents), pair.encode_query(queries)


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found, dtype=np.float32), expected, atol=2e-5)


def best(expected, query=0):
    """Rows of the documents in the order of their inner products."""
    return np.argsort(-(expected[0] @ expected[1][query]), kind="stable").tolist()


def test_langchain(pair_folder, black_box, texts, expected):
    core = pytest.importorskip("langchain_core")
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    from mafin_embeddings.adapters.langchain import MafinEmbeddings

    class API(Embeddings):
        """The application's embeddings of the API."""

        def embed_documents(self, texts):
            return black_box(texts, "document").tolist()

        def embed_query(self, text):
            return black_box([text], "query")[0].tolist()

    assert core
    documents, queries = texts
    embeddings = MafinEmbeddings(pair_folder, black_box=API())
    close(embeddings.embed_documents(documents), expected[0])
    close([embeddings.embed_query(query) for query in queries], expected[1])
    close(asyncio.run(embeddings.aembed_query(queries[0])), expected[1][0])
    store = InMemoryVectorStore(embeddings)
    store.add_texts(documents)
    found = store.similarity_search(queries[0], k=3)
    assert [one.page_content for one in found] == [documents[row] for row in best(expected)[:3]]


def test_llama_index(pair, pair_folder, black_box, texts, expected):
    pytest.importorskip("llama_index.core")
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import TextNode

    from mafin_embeddings.adapters.llama_index import MafinEmbedding

    class API(BaseEmbedding):
        def _get_query_embedding(self, query):
            return black_box([query], "query")[0].tolist()

        async def _aget_query_embedding(self, query):
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text):
            return black_box([text], "document")[0].tolist()

    documents, queries = texts
    embedding = MafinEmbedding(pair_folder, black_box=API())
    assert isinstance(embedding, BaseEmbedding)
    close(embedding.get_text_embedding_batch(documents), expected[0])
    close([embedding.get_query_embedding(query) for query in queries], expected[1])
    close(asyncio.run(embedding.aget_query_embedding(queries[0])), expected[1][0])
    close(asyncio.run(embedding.aget_text_embedding_batch(documents[:3])), expected[0][:3])
    index = VectorStoreIndex([TextNode(text=text, id_=str(row)) for row, text in enumerate(documents)], embed_model=embedding)
    found = index.as_retriever(similarity_top_k=3).retrieve(queries[0])
    assert [int(one.node_id) for one in found] == best(expected)[:3]
    with pytest.raises(ValueError, match="black_box"):
        MafinEmbedding(pair_folder).get_query_embedding("x")


def test_haystack(pair, pair_folder, black_box, texts, expected):
    pytest.importorskip("haystack")
    from haystack import Document, Pipeline, component
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from mafin_embeddings.adapters.haystack import MafinDocumentEmbedder, MafinTextEmbedder

    @component
    class API:
        """The API's embedder of queries in the application's pipeline."""

        @component.output_types(embedding=list[float])
        def run(self, text: str):
            return {"embedding": black_box([text], "query")[0].tolist()}

    documents, queries = texts
    given = black_box(documents, "document")
    embedded = MafinDocumentEmbedder(str(pair_folder), joins=True).run(
        [Document(content=text, id=str(row), embedding=given[row].tolist()) for row, text in enumerate(documents)]
    )["documents"]
    close([one.embedding for one in embedded], expected[0])
    close([one.embedding for one in MafinDocumentEmbedder(pair).run([Document(content=text) for text in documents])["documents"]], expected[0])
    store = InMemoryDocumentStore(embedding_similarity_function="dot_product")
    store.write_documents(embedded)
    pipeline = Pipeline()
    pipeline.add_component("api", API())
    pipeline.add_component("mafin", MafinTextEmbedder(str(pair_folder)))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=3))
    pipeline.connect("api.embedding", "mafin.black_box_embedding")
    pipeline.connect("mafin.embedding", "retriever.query_embedding")
    found = pipeline.run({"api": {"text": queries[0]}, "mafin": {"text": queries[0]}})["retriever"]["documents"]
    assert [int(one.id) for one in found] == best(expected)[:3]
    again = MafinTextEmbedder.from_dict(json.loads(json.dumps(MafinTextEmbedder(str(pair_folder), offline=True).to_dict())))
    assert again.offline is True and again._path() == str(pair_folder)
    titled = MafinDocumentEmbedder(pair, meta_fields_to_embed=["title"])
    document = titled.run([Document(content=documents[0].split(" ", 1)[1], meta={"title": documents[0].split(" ", 1)[0]})])["documents"][0]
    close(document.embedding, expected[0][0])
    with pytest.raises(ValueError, match="2 documents have no embedding of the API"):
        MafinDocumentEmbedder(str(pair_folder), joins=True).run([Document(content="x"), Document(content="y")])
    with pytest.raises(ValueError, match="connect the API's embedder"):
        MafinTextEmbedder(str(pair_folder), black_box=black_box).to_dict()


def test_sentence_transformers(pair_folder, black_box, texts, expected, released, minilm, tmp_path):
    package = pytest.importorskip("sentence_transformers")
    import torch
    from sentence_transformers import util

    from mafin_embeddings.adapters.sentence_transformers import MafinModule, MafinSentenceTransformer

    documents, queries = texts
    model = MafinSentenceTransformer(pair_folder, black_box)
    assert isinstance(model, package.SentenceTransformer)
    assert model.get_embedding_dimension() == 1152 and model.similarity_fn_name == "dot"
    close(model.encode_document(documents), expected[0])
    close(model.encode_query(queries), expected[1])
    found = util.semantic_search(
        model.encode_query(queries, convert_to_tensor=True), model.encode_document(documents, convert_to_tensor=True),
        score_function=util.dot_score, top_k=3,
    )  # fmt: skip
    assert [hit["corpus_id"] for hit in found[0]] == best(expected)[:3]
    scores = model.similarity(model.encode_query(queries), model.encode_document(documents))
    assert isinstance(scores, torch.Tensor)
    close(scores, expected[1] @ expected[0].T)
    # As a module, with a module of the package after it.
    peer = package.SentenceTransformer(str(minilm), device="cpu")
    chain = package.SentenceTransformer(modules=[MafinModule(released, local_only=True), peer[-1]], device="cpu")
    close(chain.encode(documents), peer.encode(documents))
    model.save(str(tmp_path / "saved"))
    again = package.SentenceTransformer(str(tmp_path / "saved"), device="cpu", trust_remote_code=True)
    again[0].artefact.black_box = black_box
    close(again.encode_query(queries), expected[1])


def test_an_evaluator_of_sentence_transformers(pair, handbook, pair_folder, black_box):
    """Its figures are those of the program's own evaluation of the same vectors."""
    pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    from mafin_embeddings import evaluate
    from mafin_embeddings.adapters.sentence_transformers import MafinSentenceTransformer

    corpus = {one: handbook.text(one) for one in handbook.corpus}
    _, queries, labels = handbook.beir("test")
    relevant = {query: {document for document, grade in grades.items() if grade > 0} for query, grades in labels.items()}
    evaluator = InformationRetrievalEvaluator(queries, corpus, relevant, ndcg_at_k=[10], main_score_function="dot", show_progress_bar=False)
    found = evaluator(MafinSentenceTransformer(pair_folder, black_box))
    expected = evaluate(pair_folder, HANDBOOK, progress=False)["artefact"].metrics["nDCG@10"]
    assert found["dot_ndcg@10"] == pytest.approx(expected, abs=2e-3)


def retrieval_task(handbook):
    """A small retrieval task of MTEB: the test queries of the handbook."""
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    _, queries, labels = handbook.beir("test")

    class HandbookRetrieval(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="HandbookRetrieval", type="Retrieval", main_score="ndcg_at_10", description="The handbook's test queries.",
            reference=None, dataset={"path": "none", "revision": "1"}, category="t2t", eval_splits=["test"], eval_langs=["eng-Latn"],
            date=("2026-01-01", "2026-12-31"), dialect=[], domains=[], task_subtypes=[], license="apache-2.0",
            annotations_creators="derived", modalities=["text"], sample_creation="created", bibtex_citation="",
        )  # fmt: skip

        def load_data(self, num_proc=None, **options):
            if self.data_loaded:
                return
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": Dataset.from_list([{"id": name, **one} for name, one in handbook.corpus.items()]),
                        "queries": Dataset.from_list([{"id": name, "text": text} for name, text in queries.items()]),
                        "relevant_docs": labels,
                        "top_ranked": None,
                    }
                }
            }
            self.data_loaded = True

    return HandbookRetrieval()


@pytest.mark.parametrize("kind", ["MafinEncoder", "MafinSearch"])
def test_a_retrieval_task_of_mteb(handbook, pair_folder, artefact_folder, black_box, kind):
    """MTEB's own code runs the task. Its nDCG@10 is that of the program's evaluation."""
    mteb = pytest.importorskip("mteb")
    from mteb.models.models_protocols import EncoderProtocol, SearchProtocol

    from mafin_embeddings import evaluate
    from mafin_embeddings.adapters import mteb as adapter

    folder = pair_folder if kind == "MafinEncoder" else artefact_folder
    model = getattr(adapter, kind)(folder, black_box=black_box)
    assert isinstance(model, EncoderProtocol if kind == "MafinEncoder" else SearchProtocol)
    result = mteb.evaluate(model, retrieval_task(handbook), cache=None, show_progress_bar=False, co2_tracker=False)
    found = result.task_results[0].get_score()
    expected = evaluate(folder, HANDBOOK, progress=False)["artefact"].metrics["nDCG@10"]
    # MTEB rounds to five digits, and pytrec_eval orders equal scores otherwise.
    assert found == pytest.approx(expected, abs=2e-3)


def test_dspy(pair, pair_folder, black_box, texts, expected):
    dspy = pytest.importorskip("dspy")

    from mafin_embeddings.adapters.dspy import MafinEmbedder, MafinRetriever

    documents, queries = texts
    close(MafinEmbedder(pair_folder, "document", black_box)(documents), expected[0])
    embedder = MafinEmbedder(pair, "query")
    assert isinstance(embedder, dspy.Embedder)
    close(embedder(queries), expected[1])
    close(embedder(queries[0]), expected[1][0])
    retriever = MafinRetriever(documents, pair, k=3)
    found = retriever(queries[0])
    assert found.indices == best(expected)[:3] and found.passages == [documents[row] for row in best(expected)[:3]]
    # The API as an embedder of DSPy, which knows no sides.
    given = dict(zip(documents + queries, np.concatenate([black_box(documents, "document"), black_box(queries, "query")])))
    api = dspy.Embedder(lambda texts: np.stack([given[text] for text in texts]), caching=False)
    close(MafinEmbedder(pair_folder, "query", api)(queries), expected[1])


def test_chroma(pair_folder, black_box, texts, expected):
    chromadb = pytest.importorskip("chromadb")
    from chromadb.api.types import Documents, EmbeddingFunction
    from chromadb.utils.embedding_functions import register_embedding_function

    from mafin_embeddings.adapters.chroma import MafinEmbeddingFunction

    @register_embedding_function
    class API(EmbeddingFunction[Documents]):
        def __init__(self):
            pass

        def __call__(self, input):
            return list(black_box(input, "document"))

        def embed_query(self, input):
            return list(black_box(input, "query"))

        @staticmethod
        def name():
            return "the-api"

        def get_config(self):
            return {}

        @staticmethod
        def build_from_config(config):
            return API()

    documents, queries = texts
    function = MafinEmbeddingFunction(pair_folder, black_box=API())
    close(function(documents), expected[0])
    close(function.embed_query(queries), expected[1])
    client = chromadb.EphemeralClient()
    collection = client.create_collection("handbook", embedding_function=function, configuration={"hnsw": {"space": "ip"}})
    collection.add(ids=[str(row) for row in range(len(documents))], documents=documents)
    found = collection.query(query_texts=[queries[0]], n_results=3)
    assert [int(one) for one in found["ids"][0]] == best(expected)[:3]
    # The collection remembers the function, with the API's.
    again = client.get_collection("handbook").query(query_texts=[queries[0]], n_results=3)
    assert again["ids"] == found["ids"]
