"""Asks a running `mafin serve` with the official clients and compares every vector with what `mafin embed` wrote.

    check_clients.py texts FOLDER           writes query.jsonl, document.jsonl and curl.json
    check_clients.py ask FOLDER URL KEY     needs query.npy and document.npy there
    check_clients.py curl FOLDER            compares curl.answer

Scripts/test-clients.sh calls it. It fails at the first difference above 1e-5, or at the first error that a client does not understand.
"""

import asyncio
import json
import os
import pathlib
import sys

import numpy

TOLERANCE = 1e-5
ROLES = ("query", "document")
TEXTS = {
    "query": ["how do I ask for leave?", "who approves expenses", "Ünïcödé — 東京で何を?", "x"],
    "document": [
        "Leave is asked for in the calendar, two weeks ahead.",
        "Expenses above 200 € are approved by the head of the team. " * 3,
        "\tA text with \"quotes\", a \\ and an emoji 🙂.",
        "A very long passage. " * 200,
    ],
}


def write_texts(folder):
    for role in ROLES:
        lines = [json.dumps({"_id": f"{role}{i}", "text": text}) for i, text in enumerate(TEXTS[role])]
        (folder / f"{role}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "curl.json").write_text(json.dumps({"model": "toy:query", "input": TEXTS["query"]}))


class Checks:
    def __init__(self, folder):
        self.expected = {role: numpy.load(folder / f"{role}.npy") for role in ROLES}
        self.worst = 0.0

    def same(self, name, role, vectors):
        found = numpy.asarray(vectors, dtype=numpy.float32)
        expected = self.expected[role]
        assert found.shape == expected.shape, f"{name}: {found.shape} vectors, expected {expected.shape}"
        difference = float(numpy.abs(found - expected).max())
        assert difference <= TOLERANCE, f"{name}, {role}: off by {difference}"
        self.worst = max(self.worst, difference)
        print(f"{name:42} {role:9} {difference:.1e}", file=sys.stderr)


def fails(name, kind, body):
    try:
        body()
    except kind as error:
        print(f"{name:42} refused   {type(error).__name__}", file=sys.stderr)
        return error
    raise AssertionError(f"{name}: expected {kind.__name__}")


def ask_openai(checks, url, key):
    import openai

    client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0)
    for role in ROLES:
        # The client asks for base64 by default.
        answer = client.embeddings.create(model=f"toy:{role}", input=TEXTS[role])
        checks.same("openai, suffix, base64", role, [row.embedding for row in answer.data])
        assert answer.usage.total_tokens > len(TEXTS[role])
        answer = client.embeddings.create(
            model="toy", input=TEXTS[role], encoding_format="float", extra_body={"input_type": role})
        checks.same("openai, input_type, float", role, [row.embedding for row in answer.data])
        one = [client.embeddings.create(model=f"toy:{role}", input=text).data[0].embedding for text in TEXTS[role]]
        checks.same("openai, one string at a time", role, one)
        dimension = checks.expected[role].shape[1]
        answer = client.embeddings.create(model=f"toy:{role}", input=TEXTS[role], dimensions=dimension)
        checks.same("openai, whole dimension", role, [row.embedding for row in answer.data])
    assert [model.id for model in client.models.list()] == ["toy", "toy:query", "toy:document"]
    assert client.models.retrieve("toy:query").id == "toy:query"

    async def many():
        client = openai.AsyncOpenAI(base_url=url + "/v1", api_key=key, max_retries=0)
        answers = await asyncio.gather(
            *(client.embeddings.create(model="toy:query", input=TEXTS["query"]) for _ in range(20)))
        for answer in answers[:3]:
            checks.same("openai, asynchronous", "query", [row.embedding for row in answer.data])

    asyncio.run(many())
    create = client.embeddings.create
    error = fails("openai, shorter vectors", openai.BadRequestError, lambda: create(model="toy", input="a", dimensions=64))
    assert error.param == "dimensions" and error.type == "invalid_request_error"
    fails("openai, token arrays", openai.BadRequestError, lambda: create(model="toy", input=[[1, 2, 3]]))
    fails("openai, empty text", openai.BadRequestError, lambda: create(model="toy", input=""))
    fails("openai, unknown model", openai.NotFoundError, lambda: create(model="other", input="a"))
    stranger = openai.OpenAI(base_url=url + "/v1", api_key="another-key", max_retries=0)
    fails("openai, wrong key", openai.AuthenticationError, lambda: stranger.embeddings.create(model="toy", input="a"))


def ask_cohere(checks, url, key):
    import cohere

    client = cohere.ClientV2(api_key=key, base_url=url)
    for role in ROLES:
        answer = client.embed(
            model="toy", texts=TEXTS[role], input_type=f"search_{role}", embedding_types=["float"], truncate="END")
        checks.same("cohere, v2", role, answer.embeddings.float_)
    fails("cohere, no quantised vectors", cohere.errors.BadRequestError, lambda: client.embed(
        model="toy", texts=["a"], input_type="search_query", embedding_types=["int8"]))
    stranger = cohere.ClientV2(api_key="another-key", base_url=url)
    fails("cohere, wrong key", cohere.errors.UnauthorizedError, lambda: stranger.embed(
        model="toy", texts=["a"], input_type="search_query", embedding_types=["float"]))


def ask_voyage(checks, url, key):
    import voyageai

    client = voyageai.Client(api_key=key, base_url=url + "/v1", max_retries=0)
    for role in ROLES:
        answer = client.embed(TEXTS[role], model="toy", input_type=role)
        checks.same("voyageai", role, answer.embeddings)
        assert answer.total_tokens > len(TEXTS[role])
    fails("voyageai, no quantised vectors", voyageai.error.InvalidRequestError, lambda: client.embed(
        ["a"], model="toy", input_type="query", output_dtype="int8"))
    stranger = voyageai.Client(api_key="another-key", base_url=url + "/v1", max_retries=0)
    fails("voyageai, wrong key", voyageai.error.AuthenticationError, lambda: stranger.embed(["a"], model="toy"))


def ask_frameworks(checks, url, key):
    from langchain_openai import OpenAIEmbeddings
    from llama_index.embeddings.openai import OpenAIEmbedding

    def langchain(role):
        # By default it would send token numbers of OpenAI's tokenizer.
        return OpenAIEmbeddings(
            model=f"toy:{role}", base_url=url + "/v1", api_key=key, check_embedding_ctx_length=False)

    checks.same("langchain", "document", langchain("document").embed_documents(TEXTS["document"]))
    checks.same("langchain", "query", [langchain("query").embed_query(text) for text in TEXTS["query"]])

    def llama(role):
        return OpenAIEmbedding(model_name=f"toy:{role}", api_base=url + "/v1", api_key=key)

    # This client replaces line ends and changes nothing else. These texts have no line ends.
    checks.same("llama-index", "document", llama("document").get_text_embedding_batch(TEXTS["document"]))
    checks.same("llama-index", "query", [llama("query").get_query_embedding(text) for text in TEXTS["query"]])


def main(command, folder, *rest):
    folder = pathlib.Path(folder)
    if command == "texts":
        return write_texts(folder)
    checks = Checks(folder)
    if command == "curl":
        answer = json.loads((folder / "curl.answer").read_text())
        return checks.same("curl", "query", [row["embedding"] for row in answer["data"]])
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    for ask in (ask_openai, ask_cohere, ask_voyage, ask_frameworks):
        ask(checks, *rest)
    print(f"largest difference {checks.worst:.1e}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
