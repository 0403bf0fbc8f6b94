"""Trains small Unigram and byte-level BPE tokenizers on texts of twelve languages, and writes what Python `tokenizers`, `sentencepiece` and
`transformers` make of the texts, for Tests/MafinTextTests.

    python Tools/write_subword_goldens.py [--real NAME=FOLDER ...]

Files in Tests/MafinTextTests/Goldens:
    subword-texts.json    the texts (subword_texts.py)
    subword.json          the tokenizers' files, and for each text 16 bits of a hash of its ids, in base64
    subword-lists.json    their vocabularies and merges
    unigram.model         SentencePiece models: with the map of characters nmt_nfkc, and with bytes and pieces of users
    bytes.model
    real-tokenizers.json  the same hashes for whole tokenizers, which are not committed (--real; NAME is the folder in .cache/tokenizers)
"""

import argparse
import base64
import hashlib
import io
import json
import pathlib
import tempfile

import goldens
import sentencepiece
import subword_texts
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from write_tokenizer_goldens import fnv, write

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "Tests/MafinTextTests/Goldens"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def short_hashes(rows):
    """16 bits a row, little-endian; 0 for a row that is None."""
    numbers = [0 if ids is None else fnv(ids) & 0xFFFF for ids in rows]
    return base64.b64encode(b"".join(number.to_bytes(2, "little") for number in numbers)).decode()


def train_pieces(texts, **options):
    """A SentencePiece model. It holds no path, so that it is the same each time."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(" ".join(text.split()) for text in texts if text.strip()), model_writer=model, model_type="unigram", num_threads=1,
        character_coverage=0.999, hard_vocab_limit=False, minloglevel=2, **options)
    return model.getvalue()


def field(message, number):
    """The last length-delimited field of this number in a Protocol Buffers message."""
    def varint(place):
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, place

    found, place = None, 0
    while place < len(message):
        key, place = varint(place)
        if key & 7 == 2:
            size, place = varint(place)
            if key >> 3 == number:
                found = message[place:place + size]
            place += size
        elif key & 7 == 0:
            _, place = varint(place)
        else:
            place += {1: 8, 5: 4}[key & 7]
    return found


def special(*contents):
    return [AddedToken(content, special=True, normalized=False, lstrip=content == "<mask>") for content in contents]


def template(tokenizer, single):
    names = [name for name in single.split() if not name.startswith("$")]
    return processors.TemplateProcessing(single=single, special_tokens=[(name, tokenizer.token_to_id(name)) for name in names])


def unigram_variants(vocabulary, charsmap, byte_vocabulary):
    split_metaspace = lambda **o: pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**o)])
    precompiled = normalizers.Precompiled(charsmap)

    def build(normalizer, words, frame="<s> $A </s>", vocabulary=vocabulary, unknown=3, fallback=False, added=(), names=SPECIAL):
        tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=fallback))
        if normalizer:
            tokenizer.normalizer = normalizer
        if words:
            tokenizer.pre_tokenizer = words
        tokenizer.add_special_tokens(special(*names))
        if added:
            tokenizer.add_tokens(list(added))
        if frame:
            tokenizer.post_processor = template(tokenizer, frame)
        return tokenizer

    made = {
        "xlm-roberta": build(precompiled, split_metaspace()),
        "e5, bge-m3": build(normalizers.Sequence([precompiled, normalizers.Replace(Regex(" {2,}"), " ")]), pre_tokenizers.Metaspace()),
        "t5": build(precompiled, split_metaspace(), "$A </s>"),
        "stripped, marks by the normalizer": build(
            normalizers.Sequence([normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")]), split_metaspace()),
        "not split at marks": build(precompiled, pre_tokenizers.Metaspace(split=False)),
        "a mark in front of the first part": build(precompiled, pre_tokenizers.Metaspace(prepend_scheme="first")),
        "a mark in front of the first word": build(precompiled, split_metaspace(prepend_scheme="first")),
        "no mark in front": build(precompiled, pre_tokenizers.Metaspace(prepend_scheme="never")),
        "another mark": build(None, pre_tokenizers.Metaspace(replacement="_")),
        "NFKC, Lowercase, Strip": build(normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()]), pre_tokenizers.Metaspace()),
        "NFD": build(normalizers.NFD(), split_metaspace()),
        "NFKD": build(normalizers.NFKD(), split_metaspace()),
        "Prepend, Replace, no pre-tokenizer": build(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None),
        "no normalizer, no frame": build(None, split_metaspace(), None),
        "byte fallback": build(None, split_metaspace(), vocabulary=byte_vocabulary, unknown=0, fallback=True, names=["<unk>", "<s>", "</s>"]),
        "added tokens of users": build(
            precompiled, split_metaspace(),
            added=[AddedToken("[W]", single_word=True, normalized=False), AddedToken("ﬁne", normalized=True), AddedToken("…", normalized=True, rstrip=True)]),
    }
    made["RobertaProcessing, cut to 12"] = build(precompiled, split_metaspace(), None)
    made["RobertaProcessing, cut to 12"].post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    made["RobertaProcessing, cut to 12"].enable_truncation(12)
    made["cut to 9 at the left"] = build(normalizers.NFC(), split_metaspace())
    made["cut to 9 at the left"].enable_truncation(9, direction="left")
    return made


def byte_pairs(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=2600, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def bpe_variants(vocabulary, merges):
    def build(words, frame="<s> $A </s>", normalizer=None, vocabulary=vocabulary, merges=merges, added=(), names=SPECIAL, **options):
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, **options))
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = words
        tokenizer.add_special_tokens(special(*names))
        if added:
            tokenizer.add_tokens(list(added))
        if frame:
            tokenizer.post_processor = template(tokenizer, frame)
        return tokenizer

    level = lambda prefix=False, **o: pre_tokenizers.ByteLevel(add_prefix_space=prefix, **o)
    spaces = [AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)]
    made = {"roberta": build(level(), None)}
    made["roberta"].post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    made["modernbert"] = build(
        level(), "[CLS] $A [SEP]", normalizers.NFC(), names=["<|endoftext|>", "<|padding|>", "[CLS]", "[SEP]", "[MASK]"],
        added=[AddedToken("|||IP_ADDRESS|||", normalized=True), *spaces, AddedToken("|||EMAIL_ADDRESS|||", normalized=True), AddedToken("[unused0]", normalized=True)])
    made["a space in front"] = build(level(True), normalizer=normalizers.Lowercase())
    made["no expression"] = build(level(use_regex=False))
    made["whole tokens are kept"] = build(level(), merges=merges[:-700], ignore_merges=True)
    lacking = set("ÃĠ¤æ")  # the first byte of letters such as é, the space, and others
    made["bytes without tokens"] = build(
        level(), vocabulary={token: id for token, id in vocabulary.items() if not lacking & set(token)},
        merges=[merge for merge in merges if not lacking & set("".join(merge))], unk_token="<unk>", fuse_unk=True)
    made["unknown bytes left out"] = build(
        level(), vocabulary={token: id for token, id in vocabulary.items() if not lacking & set(token)},
        merges=[merge for merge in merges if not lacking & set("".join(merge))])
    made["added tokens with flags"] = build(
        level(), added=[AddedToken("[W]", single_word=True, normalized=False), AddedToken("www.", lstrip=True, rstrip=True, normalized=False)])
    made["a sequence of post-processors, cut to 10"] = build(pre_tokenizers.Sequence([level()]))
    made["a sequence of post-processors, cut to 10"].post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), template(made["roberta"], "<s> $A </s>")])
    made["a sequence of post-processors, cut to 10"].enable_truncation(10)
    return made


def offsets(tokenizer, text):
    """The tokens' ranges of bytes, without spaces at their ends. [-1, -1] for a mark alone, which stands for nothing."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    positions = [0]
    for character in text:
        positions.append(positions[-1] + len(character.encode()))
    out = []
    for token, (start, end) in zip(encoding.tokens, encoding.offsets):
        while start < end and text[start] == " ":
            start += 1
        while end > start and text[end - 1] == " ":
            end -= 1
        out += [-1, -1] if token == "▁" or start == end else [positions[start], positions[end]]
    return out


def variant_cases(made, texts, with_offsets=()):
    result = []
    for name, tokenizer in made.items():
        file = json.loads(tokenizer.to_str())
        entry = {"name": name, "hashes": short_hashes(encoding.ids for encoding in tokenizer.encode_batch(texts))}
        if name in with_offsets:
            normalize = tokenizer.normalizer.normalize_str if tokenizer.normalizer else str
            # Where the normalizer changes nothing: how it moves offsets is its own affair.
            entry["offsets"] = {index: offsets(tokenizer, texts[index]) for index in range(0, len(texts), 30) if normalize(texts[index]) == texts[index]}
        result.append((entry, file))
    return result


def sentencepiece_cases(blob, texts, identifier, frame):
    """Hashes of SentencePiece's own ids, by the mapping of a family. None for texts with special tokens, which SentencePiece does not know."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=blob)
    return short_hashes(
        None if any(name in text for name in SPECIAL) else frame(list(map(identifier, processor.encode(text)))) for text in texts)


def roberta_folder(vocabulary, merges, texts):
    """A folder without tokenizer.json, read by transformers."""
    from transformers import RobertaTokenizer

    files = {
        "vocab.json": json.dumps(vocabulary, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "RobertaTokenizer", "model_max_length": 64}),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (pathlib.Path(folder) / name).write_text(content, encoding="utf-8", newline="")
        tokenizer = RobertaTokenizer.from_pretrained(folder)
        hashes = short_hashes(tokenizer(texts, truncation=True)["input_ids"])
    return {"name": "vocab.json and merges.txt", "hashes": hashes, "files": {"tokenizer_config.json": files["tokenizer_config.json"]}}


def real(folders, texts):
    result = {}
    for name, folder in folders:
        file = pathlib.Path(folder) / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        result[name] = {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "hashes": short_hashes(encoding.ids for encoding in tokenizer.encode_batch(texts))}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", nargs="*", default=[], metavar="NAME=FOLDER")
    options = parser.parse_args()
    versions = goldens.check("tokenizers", "sentencepiece", "transformers")
    texts = subword_texts.texts()
    (GOLDENS / "subword-texts.json").write_text(json.dumps(texts, ensure_ascii=False, separators=(",", ":")).replace('","', '",\n"') + "\n", encoding="utf-8")

    unigram = train_pieces(texts, vocab_size=2200, normalization_rule_name="nmt_nfkc")
    with_bytes = train_pieces(
        texts, vocab_size=1500, normalization_rule_name="identity", byte_fallback=True, user_defined_symbols=["<u1>", "ü", "▁x"], remove_extra_whitespaces=False)
    (GOLDENS / "unigram.model").write_bytes(unigram)
    (GOLDENS / "bytes.model").write_bytes(with_bytes)

    def pieces(blob):
        processor = sentencepiece.SentencePieceProcessor(model_proto=blob)
        return [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]

    charsmap = field(field(unigram, 3), 2)
    # The order of fairseq, as transformers has it in XLMRobertaConverter.
    vocabulary = [(name, 0.0) for name in SPECIAL[:4]] + pieces(unigram)[3:] + [("<mask>", 0.0)]
    byte_vocabulary = pieces(with_bytes)
    encoded = base64.b64encode(charsmap).decode()

    bpe_vocabulary, merges = byte_pairs(texts)
    lists = {"unigram": vocabulary, "bytes": byte_vocabulary, "bpe": bpe_vocabulary, "merges": [" ".join(merge) for merge in merges]}
    result = []
    made = variant_cases(unigram_variants(vocabulary, charsmap, byte_vocabulary), texts, ["xlm-roberta", "not split at marks", "no normalizer, no frame"])
    made += variant_cases(bpe_variants(bpe_vocabulary, merges), texts, ["roberta", "modernbert"])
    for entry, file in made:
        model = file["model"]
        if model["type"] == "Unigram":
            entry["vocabulary"] = "bytes" if len(model["vocab"]) == len(byte_vocabulary) else "unigram"
        else:
            entry["vocabulary"] = "bpe"
            # What is left of the lists that all share.
            if len(model["vocab"]) < len(bpe_vocabulary):
                entry["lacking"] = "".join(sorted({c for token in bpe_vocabulary if token not in model["vocab"] for c in token} - {c for token in model["vocab"] for c in token}))
            elif len(model["merges"]) < len(merges):
                entry["merges"] = len(model["merges"])
            model["merges"] = []
        model["vocab"] = {} if model["type"] == "BPE" else []
        text = json.dumps(file, separators=(",", ":"), ensure_ascii=False).replace(encoded, "CHARSMAP")
        entry["files"] = {"tokenizer.json": text}
        result.append(entry)
    result.append({**roberta_folder(bpe_vocabulary, merges, texts), "vocabulary": "bpe"})

    fairseq = lambda i: i + 1 if i else 3
    for name, model, blob, family, hashes in [
        ("SentencePiece of XLM-RoBERTa", "unigram", unigram, "XLMRobertaTokenizer", lambda b: sentencepiece_cases(b, texts, fairseq, lambda ids: [0, *ids, 2])),
        ("SentencePiece of T5", "bytes", with_bytes, "T5Tokenizer", lambda b: sentencepiece_cases(b, texts, lambda i: i, lambda ids: [*ids, 2])),
        ("SentencePiece of T5 with a map", "unigram", unigram, "T5Tokenizer", lambda b: sentencepiece_cases(b, texts, lambda i: i, lambda ids: [*ids, 2])),
    ]:
        result.append({"name": name, "hashes": hashes(blob), "model": model, "files": {"tokenizer_config.json": json.dumps({"tokenizer_class": family})}})
    for name, value in [("subword.json", result), ("subword-lists.json", lists)]:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace('},{"name', '},\n{"name')
        (GOLDENS / name).write_text(text + "\n", encoding="utf-8")
    files = ["subword-texts.json", "subword.json", "subword-lists.json", "unigram.model", "bytes.model"]
    if options.real:
        write("real-tokenizers.json", real([pair.split("=", 1) for pair in options.real], texts))
        files.append("real-tokenizers.json")
    goldens.record(GOLDENS, __file__, versions, *files)
    print(len(texts), "texts,", len(result), "tokenizers;", {name: (GOLDENS / name).stat().st_size for name in files})


if __name__ == "__main__":
    main()
