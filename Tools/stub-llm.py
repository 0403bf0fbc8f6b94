"""A server that takes the place of a language model and of an embedding API, for a collection with known queries.

    python3 Tools/stub-llm.py --data ../shared/data/fae-10k [--vectors ../shared/vectors/fae-10k] [--port 8765]

`POST /v1/chat/completions` finds the passage in the prompt and "writes" the collection's own questions for it (those whose label names it,
in any split). A passage without questions gets none. `POST /v1/embeddings` gives stored vectors by text. The path without labels is measured
with this server, because no language model runs here.
"""

import argparse
import collections
import http.server
import json
import pathlib
import sys


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def plain(text):
    """The text with each run of white space as one space."""
    return " ".join(text.split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--vectors", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()

    queries = {str(row["_id"]): row["text"] for row in lines(arguments.data / "queries.jsonl")}
    corpus = {str(row["_id"]): row for row in lines(arguments.data / "corpus.jsonl")}
    asked = collections.defaultdict(list)
    for file in sorted((arguments.data / "qrels").glob("*.tsv")):
        if "_" in file.stem:
            continue
        for row in file.read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = row.split("\t")
            if int(grade) > 0:
                asked[document].append(queries[query])
    # By their texts. A prompt may cut a long passage, so `chat` also looks for a passage that contains the text.
    passages = {row["text"].strip(): document for document, row in corpus.items()}

    vectors = {}
    if arguments.vectors:
        import numpy as np

        for name, texts in (
            ("queries", queries),
            ("corpus", {key: (row.get("title", "") + " " + row["text"]).strip() for key, row in corpus.items()}),
        ):
            matrix = np.load(arguments.vectors / f"{name}.npy")
            ids = (arguments.vectors / f"{name}.ids").read_text(encoding="utf-8").splitlines()
            for row, key in zip(matrix, ids):
                vectors[plain(texts[key])] = row

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                answer = self.chat(body) if self.path.endswith("/chat/completions") else self.embeddings(body)
                self.reply(200, answer)
            except KeyError as error:
                self.reply(400, {"error": {"message": f"not known here: {error}", "type": "invalid_request_error"}})

        def chat(self, body):
            prompt = body["messages"][-1]["content"]
            shown = prompt.split("<passage>\n", 1)[1].split("\n</passage>", 1)[0].strip()
            document = passages.get(shown) or next((d for text, d in passages.items() if shown and shown in text), None)
            written = [{"style": "question", "text": text} for text in asked.get(document, [])]
            return {
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps({"queries": written})}}
                ],
                "usage": {"prompt_tokens": len(prompt) // 4, "completion_tokens": sum(len(q["text"]) // 4 + 8 for q in written)},
            }

        def embeddings(self, body):
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            return {
                "data": [{"index": n, "embedding": [float(x) for x in vectors[plain(text)]]} for n, text in enumerate(texts)],
                "usage": {"total_tokens": sum(len(text) // 4 + 1 for text in texts)},
            }

        def reply(self, status, answer):
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
