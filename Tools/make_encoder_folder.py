"""Makes a small encoder folder of a family with random weights, for tests: make_encoder_folder.py FAMILY OUTPUT [FACTOR]

With a FACTOR, for 'mean' only, all widths are so many times those of the golden, and all weights are new.
FAMILY: mean (BERT), mpnet, xlm-roberta, modernbert, nomic or gte. The network is that of the goldens of MafinEncoderTests, with as many rows of word embeddings as
the tokenizer has tokens. Tokenizers: WordPiece over the words of the sample, or the small Unigram and BPE tokenizers of the goldens of MafinTextTests.
Needs only Python's standard library.
"""

import array
import json
import math
import pathlib
import random
import re
import shutil
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENCODERS = ROOT / "Tests" / "MafinEncoderTests" / "Goldens"
TOKENIZERS = ROOT / "Tests" / "MafinTextTests" / "Goldens"


def word_pieces(folder, special):
    words = set()
    for name in ["corpus.jsonl", "queries.jsonl"]:
        for line in (ROOT / "Samples" / "handbook" / name).open():
            record = json.loads(line)
            words |= set(re.findall(r"[a-z]+", (record.get("title", "") + " " + record["text"]).lower()))
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,?!'-()")
    vocabulary = special + letters + ["##" + letter for letter in letters] + sorted(words)
    vocabulary = list(dict.fromkeys(vocabulary))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    return len(vocabulary)


def write_tokenizer(family, folder):
    """Writes the files of a tokenizer; returns the number of its tokens."""
    configuration = {"model_max_length": 40, "do_lower_case": True}
    if family == "xlm-roberta":
        shutil.copy(TOKENIZERS / "unigram.model", folder / "sentencepiece.bpe.model")
        configuration["tokenizer_class"] = "XLMRobertaTokenizer"
        count = len(json.loads((TOKENIZERS / "subword-lists.json").read_text())["unigram"]) + 8
    elif family == "modernbert":
        lists = json.loads((TOKENIZERS / "subword-lists.json").read_text())
        variant = next(v for v in json.loads((TOKENIZERS / "subword.json").read_text()) if v["name"] == "modernbert")
        tokenizer = json.loads(variant["files"]["tokenizer.json"])
        tokenizer["model"]["vocab"], tokenizer["model"]["merges"] = lists["bpe"], lists["merges"]
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        configuration["tokenizer_class"] = "PreTrainedTokenizerFast"
        count = 1 + max([*lists["bpe"].values(), *(token["id"] for token in tokenizer["added_tokens"])])
    elif family == "mpnet":
        # MPNet's special tokens are RoBERTa's, around WordPiece.
        count = word_pieces(folder, ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
        configuration |= {
            "tokenizer_class": "BertTokenizer", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "[UNK]",
            "pad_token": "<pad>", "mask_token": "<mask>", "bos_token": "<s>", "eos_token": "</s>"}
    else:
        count = word_pieces(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        configuration["tokenizer_class"] = "BertTokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))
    return count


def random_values(generator, name, shape):
    """Weights of a new network, as BERT begins, but with larger numbers, so that all layers matter."""
    count = math.prod(shape)
    if len(shape) == 1:
        return array.array("f", [float(name.endswith("LayerNorm.weight"))] * count).tobytes()
    return array.array("f", (generator.gauss(0, 0.05) for _ in range(count))).tobytes()


def widen(source, target, rows, widths):
    """Copies a safetensors file; the word embeddings get `rows` random rows. `widths`: what takes the place of a width; empty: nothing, and
    other tensors keep their values."""
    data = source.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    generator, out, parts, start = random.Random(1), {}, [], 0
    for name, tensor in header.items():
        values = body[slice(*tensor["data_offsets"])]
        shape = tensor["shape"]
        if name.endswith(("word_embeddings.weight", "tok_embeddings.weight")):
            shape = [rows, shape[1]]
            values = array.array("f", (generator.gauss(0, 0.15) for _ in range(rows * shape[1]))).tobytes()
        if widths:
            # Only the columns of tables are widths.
            shape = [*shape[:-1], widths[shape[-1]]] if name.startswith("embeddings.") else [widths[size] for size in shape]
            values = random_values(generator, name, shape)
        out[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, start + len(values)]}
        parts.append(values)
        start += len(values)
    text = json.dumps(out).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def main():
    family, output = sys.argv[1], pathlib.Path(sys.argv[2])
    factor = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    source = ENCODERS / f"small-{family}"
    output.mkdir(parents=True)
    count = write_tokenizer(family, output)
    configuration = json.loads((source / "config.json").read_text())
    configuration["vocab_size"] = count
    widths = {configuration[name]: factor * configuration[name] for name in ["hidden_size", "intermediate_size"]} if factor > 1 else {}
    if factor > 1:
        if family != "mean":
            sys.exit("a FACTOR is for 'mean' only")
        configuration |= {name: widths[configuration[name]] for name in ["hidden_size", "intermediate_size"]}
    (output / "config.json").write_text(json.dumps(configuration))
    widen(source / "model.safetensors", output / "model.safetensors", count, widths)
    shutil.copy(source / "modules.json", output)
    shutil.copytree(source / "1_Pooling", output / "1_Pooling")


if __name__ == "__main__":
    main()
