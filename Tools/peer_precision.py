"""One peer at one precision: its embedding speed on documents, and the time of single queries. Prints one JSON line, as `infer_speed.py` of the
shared folder does for float32. `bench-embedding.py` runs it.

    PEER-HOME/venv/bin/python Tools/peer_precision.py --shared ../shared --engine torch-bf16|torch-bf16-weights|ov|ort-int8|ort-int8-full|ov-int8

| engine | what it is |
|---|---|
| torch-bf16 | PyTorch under `autocast` to bfloat16 |
| torch-bf16-weights | PyTorch with all weights in bfloat16 |
| ov | OpenVINO as it starts: bfloat16 on a processor that has it, else float32 |
| ort-int8 | ONNX Runtime after `quantize_dynamic`, a scale per channel, seven bits of the weights, so that AVX2 sums do not overflow |
| ort-int8-full | the same with eight bits |
| ov-int8 | OpenVINO after NNCF's post-training quantisation, calibrated on the first 64 documents |

Batches of 32 documents of like length; each is timed by itself and its best time counts. Waiting threads are passive, unless PEER_SPIN is set.
The least cosine to PyTorch in float32 is printed too, for MiniLM.
"""

import argparse
import json
import os
import pathlib
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", required=True)
    parser.add_argument("--engine", required=True, choices=ENGINES)
    parser.add_argument("--model", default="minilm", choices=["minilm", "bge-small", "bge-base"])
    parser.add_argument("--documents", required=True, help="JSON file: a list of documents")
    parser.add_argument("--queries", required=True, help="JSON file: a list of queries")
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--reps", type=int, default=2)
    return parser.parse_args()


ENGINES = ["torch-bf16", "torch-bf16-weights", "ov", "ort-int8", "ort-int8-full", "ov-int8"]


def torch_engine(common, model, name):
    import torch

    net = common.bert(model, "sdpa", 0.0).eval()
    if name == "torch-bf16-weights":
        net = net.to(torch.bfloat16)

    def run(inputs):
        tensors = {key: torch.from_numpy(inputs[key]) for key in ("input_ids", "attention_mask")}
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=name == "torch-bf16"):
            return net(**tensors).last_hidden_state.float().numpy()

    return run, "bf16"


def onnx_file(common, model):
    """The exported graph in float32, written once. It is the file that `infer_speed.py` uses."""
    import torch

    path = pathlib.Path(common.HERE) / "out" / f"{model}.onnx"
    if path.exists():
        return path

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = common.bert(model, "eager", 0.0).eval()

        def forward(self, input_ids, attention_mask):
            return self.net(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    example = torch.ones(2, 16, dtype=torch.long)
    axes = {0: "b", 1: "s"}
    # dynamo=True exports a wrong graph with transformers 5.23 and torch 2.13.
    torch.onnx.export(
        Wrapped().eval(), (example, example), str(path), input_names=["input_ids", "attention_mask"], output_names=["h"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "h": axes}, opset_version=17, dynamo=False)
    return path


def onnx_engine(common, model, name):
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = onnx_file(common, model)
    path = source.with_name(f"{model}-{name}.onnx")
    if not path.exists():
        quantize_dynamic(
            str(source), str(path), weight_type=QuantType.QInt8, per_channel=True, reduce_range=name == "ort-int8")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = common.NT
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if os.environ.get("PEER_SPIN") else "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {key: inputs[key] for key in ("input_ids", "attention_mask")})[0], "int8"


def openvino_engine(common, model, name, calibration):
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": common.NT})
    graph = onnx_file(common, model)
    if name == "ov-int8":
        path = graph.with_name(f"{model}-ov-int8.xml")
        if not path.exists():
            try:
                import nncf
            except ImportError:
                sys.exit("ov-int8 needs NNCF: install nncf into the peers' Python")
            quantized = nncf.quantize(
                core.read_model(str(graph)), nncf.Dataset(calibration), model_type=nncf.ModelType.TRANSFORMER,
                subset_size=len(calibration))
            openvino.save_model(quantized, str(path), compress_to_fp16=False)
        graph = path
    compiled = core.compile_model(str(graph), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    hint = compiled.get_property("INFERENCE_PRECISION_HINT")
    kind = hint.get_type_name() if hasattr(hint, "get_type_name") else str(hint)
    return lambda inputs: compiled({key: inputs[key] for key in ("input_ids", "attention_mask")})[0], kind


def main():
    options = arguments()
    sys.path.insert(0, str(pathlib.Path(options.shared) / "bench"))
    import common
    import numpy

    documents = json.load(open(options.documents))
    queries = json.load(open(options.queries))
    tokenizer = common.tokenizer()

    def tokens(texts):
        return tokenizer(texts, padding=True, truncation=True, max_length=options.seq, return_tensors="np")

    if options.engine.startswith("torch"):
        run, kind = torch_engine(common, options.model, options.engine)
    elif options.engine.startswith("ort"):
        run, kind = onnx_engine(common, options.model, options.engine)
    else:
        texts = documents[:64] or queries[:64]
        calibration = [
            {key: inputs[key] for key in ("input_ids", "attention_mask")} for inputs in (tokens([text]) for text in texts)]
        run, kind = openvino_engine(common, options.model, options.engine, calibration)

    def embed(texts):
        inputs = tokens(texts)
        hidden = run(inputs)
        if options.model == "minilm":
            weights = inputs["attention_mask"][..., None].astype(numpy.float32)
            rows = (hidden * weights).sum(1) / weights.sum(1)
        else:
            rows = hidden[:, 0]
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True), inputs["attention_mask"]

    documents.sort(key=len, reverse=True)
    wall = processor = real = 0
    rows = []
    if documents:
        embed(documents[-32:])
    for start in range(0, len(documents), 32):
        best = [float("inf"), float("inf")]
        for _ in range(options.reps):
            common.quiet(1.5)
            begin = time.perf_counter(), time.process_time()
            made, mask = embed(documents[start:start + 32])
            best = [min(best[0], time.perf_counter() - begin[0]), min(best[1], time.process_time() - begin[1])]
        wall, processor, real = wall + best[0], processor + best[1], real + int(mask.sum())
        rows.append(made)

    agreement = None
    if documents and options.model == "minilm":
        import torch

        net = common.bert("minilm").eval()
        inputs = tokenizer(documents[:16], padding=True, truncation=True, max_length=options.seq, return_tensors="pt")
        with torch.inference_mode():
            exact = common.pool(net(**inputs).last_hidden_state, inputs["attention_mask"], "minilm").numpy()
        agreement = round(float((exact * numpy.concatenate(rows)[:16]).sum(1).min()), 5)
    times = []
    for place, query in enumerate(queries[:20] + queries):
        begin = time.perf_counter()
        embed([query])
        if place >= min(20, len(queries)):
            times.append(1000 * (time.perf_counter() - begin))
    times.sort()
    print(json.dumps({
        "engine": options.engine, "precision": kind, "threads": common.NT, "cos_min_vs_torch": agreement,
        "docs_s": round(len(documents) / wall, 1) if wall else None,
        "cpu_docs_s_core": round(len(documents) / processor, 1) if processor else None,
        "real_tok_s": round(real / wall) if wall else None,
        "q_p50_ms": round(times[len(times) // 2], 2) if times else None,
        "q_p99_ms": round(times[int(len(times) * 0.99)], 2) if times else None}))


if __name__ == "__main__":
    main()
