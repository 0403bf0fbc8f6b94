"""Compares our requests with those of the vendors' own Python SDKs, byte by byte, as a server on loopback receives them.

    python3 -m venv VENV && VENV/bin/pip install openai cohere voyageai mistralai
    VENV/bin/python Tools/compare-sdk-requests.py --program .build/release/mafin

Each SDK and `mafin generate` embed the same three documents and two queries. The script prints the path, and whether the bodies are equal as
bytes, equal as JSON, or in which members they differ. Two differences are intended: we ask for base64 if a vendor has it, and we ask the
server to refuse texts that are too long, which SDKs let it cut silently.
"""

import argparse
import http.server
import importlib.util
import json
import os
import pathlib
import subprocess
import tempfile
import threading

DOCUMENTS = [
    f"Document number {n} says \"something\" about naïve cafés — and a \\ backslash, at some length, so that pieces of it can be "
    "taken for queries: where they lie, when they open, and what is served there in winter." for n in range(3)
]


class Recorder(http.server.ThreadingHTTPServer):
    def __init__(self):
        self.seen = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.path, body))
        request = json.loads(body)
        count = len(request.get("input") or request.get("texts") or [0])
        vectors = [[1.0 if n == m else 0.5 for n in range(8)] for m in range(count)]
        answer = {
            "id": "x", "object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "data": [{"object": "embedding", "index": n, "embedding": v} for n, v in enumerate(vectors)],
        }
        if "/embed" in self.path and "embeddings" not in self.path:
            answer = {"id": "x", "embeddings": {"float": vectors}, "texts": request.get("texts"), "response_type": "embeddings_by_type",
                      "meta": {"billed_units": {"input_tokens": 1}}}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def by_openai(url, texts, kind):
    from openai import OpenAI

    OpenAI(api_key="k", base_url=url + "/v1").embeddings.create(model="text-embedding-3-small", input=texts)


def by_cohere(url, texts, kind):
    import cohere

    cohere.ClientV2(api_key="k", base_url=url).embed(
        model="embed-v4.0", texts=texts, input_type="search_" + kind, embedding_types=["float"])


def by_voyage(url, texts, kind):
    import voyageai

    client = voyageai.Client(api_key="k", base_url=url + "/v1") if "base_url" in voyageai.Client.__init__.__code__.co_varnames else None
    if client is None:
        voyageai.api_base = url + "/v1"
        client = voyageai.Client(api_key="k")
    client.embed(texts, model="voyage-3.5", input_type=kind, truncation=False)


def by_mistral(url, texts, kind):
    try:
        from mistralai import Mistral
    except ImportError:  # from version 2 on
        from mistralai.client import Mistral

    Mistral(api_key="k", server_url=url).embeddings.create(model="mistral-embed", inputs=texts)


SDKS = {
    "openai": (by_openai, "openai", "text-embedding-3-small", "/v1"),
    "cohere": (by_cohere, "cohere", "embed-v4.0", "/v2"),
    "voyage": (by_voyage, "voyageai", "voyage-3.5", "/v1"),
    "mistral": (by_mistral, "mistralai", "mistral-embed", "/v1"),
}


def ours(program, provider, model, root, folder):
    recorder = Recorder()
    data = folder / provider
    data.mkdir()
    (data / "corpus.jsonl").write_text("".join(json.dumps({"_id": f"d{n}", "text": t}) + "\n" for n, t in enumerate(DOCUMENTS)))
    environment = {**os.environ, "HOME": str(folder)}
    for variable in ("OPENAI_API_KEY", "CO_API_KEY", "VOYAGE_API_KEY", "MISTRAL_API_KEY"):
        environment[variable] = "k"
    subprocess.run(
        [str(program), "generate", "--without-llm", "--pieces", "crop", "--data", str(data), "--output", str(folder / f"{provider}-out"), "--black-box",
         f"{provider}:{model}", "--base-url", recorder.url + root, "--cache", str(folder / f"{provider}.sqlite"), "--quiet"],
        env=environment, capture_output=True)
    return recorder.seen


def difference(one, other):
    a, b = json.loads(one), json.loads(other)
    return ", ".join(
        f"{key}: {json.dumps(a.get(key), ensure_ascii=False)[:60]} / {json.dumps(b.get(key), ensure_ascii=False)[:60]}"
        for key in sorted(set(a) | set(b)) if a.get(key) != b.get(key))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for provider, (ask, module, model, root) in SDKS.items():
            if importlib.util.find_spec(module) is None:
                print(f"{provider}: the SDK is not installed")
                continue
            mine = ours(arguments.program.resolve(), provider, model, root, pathlib.Path(name))
            assert len(mine) >= 2, f"{provider}: {len(mine)} requests of ours"
            for (path, body), kind in zip(mine, ("document", "query")):
                request = json.loads(body)
                texts = request.get("input") or request.get("texts")
                recorder = Recorder()
                try:
                    ask(recorder.url, texts, kind)
                except Exception as error:  # an SDK may fail on the stub's answer, but its request was recorded
                    if not recorder.seen:
                        print(f"{provider} {kind}: the SDK sent nothing: {error}")
                        continue
                sdk_path, sdk_body = recorder.seen[0]
                if sdk_body == body:
                    verdict = "equal byte by byte"
                elif json.loads(sdk_body) == request:
                    verdict = "equal as JSON, members in the order " + ", ".join(json.loads(sdk_body))
                elif not difference(sdk_body, body):
                    verdict = "equal but for members that are null"
                else:
                    verdict = "differs (sdk / ours): " + difference(sdk_body, body)
                same = "same path" if sdk_path == path else f"paths {sdk_path} / {path}"
                print(f"{provider} {kind}: {verdict}; {same}; {len(body)} bytes")


if __name__ == "__main__":
    main()
