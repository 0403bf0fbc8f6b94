"""Writes the results of Python `tokenizers` for some 2,800 texts, and for every Unicode scalar, for Tests/MafinTextTests.

    python Tools/write_tokenizer_goldens.py --model all-MiniLM-L6-v2-FOLDER --shared ../shared

Files in Tests/MafinTextTests/Goldens:
    generated.json  self-made and seeded random texts: ids, and UTF-8 byte offsets for a part of them
    shared.json     texts of the shared collections by id: hashes only, because neither a text nor its token ids may be committed
    scalars.json    a hash for each 1,024 scalars, of the ids of "a<scalar>b <scalar>" and of texts normalized in several ways
    variants.json   small tokenizers of other settings (cased, other prefixes, added tokens, ...) with their files, ids, offsets
    decoding.json   ids back to text
"""

import argparse
import json
import pathlib
import random
import tempfile

import goldens
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "Tests/MafinTextTests/Goldens"

BLOCKS = [  # name, first, last
    ("ASCII", 0x20, 0x7E), ("controls", 0x00, 0x1F), ("Latin-1", 0xA0, 0xFF), ("Latin Extended-A", 0x100, 0x17F),
    ("Latin Extended-B", 0x180, 0x24F), ("IPA", 0x250, 0x2AF), ("combining marks", 0x300, 0x36F), ("Greek", 0x370, 0x3FF),
    ("Cyrillic", 0x400, 0x4FF), ("Armenian", 0x530, 0x58F), ("Hebrew", 0x590, 0x5FF), ("Arabic", 0x600, 0x6FF),
    ("Devanagari", 0x900, 0x97F), ("Bengali", 0x980, 0x9FF), ("Tamil", 0xB80, 0xBFF), ("Sinhala", 0xD80, 0xDFF),
    ("Thai", 0xE00, 0xE7F), ("Tibetan", 0xF00, 0xFFF), ("Myanmar", 0x1000, 0x109F), ("Georgian", 0x10A0, 0x10FF),
    ("Hangul jamo", 0x1100, 0x11FF), ("Ethiopic", 0x1200, 0x137F), ("Khmer", 0x1780, 0x17FF), ("Mongolian", 0x1800, 0x18AF),
    ("Balinese", 0x1B00, 0x1B7F), ("Latin Additional", 0x1E00, 0x1EFF), ("Greek Extended", 0x1F00, 0x1FFF),
    ("punctuation", 0x2000, 0x206F), ("super- and subscripts", 0x2070, 0x20CF), ("letterlike", 0x2100, 0x214F),
    ("arrows, operators", 0x2190, 0x22FF), ("enclosed", 0x2460, 0x24FF), ("boxes, symbols", 0x2500, 0x27BF),
    ("CJK punctuation", 0x3000, 0x303F), ("Hiragana", 0x3040, 0x309F), ("Katakana", 0x30A0, 0x30FF),
    ("Hangul compatibility", 0x3130, 0x318F), ("CJK extension A", 0x3400, 0x4DBF), ("CJK", 0x4E00, 0x9FFF),
    ("Rejang", 0xA930, 0xA95F), ("Hangul", 0xAC00, 0xD7A3), ("CJK compatibility", 0xF900, 0xFAFF),
    ("presentation forms", 0xFB00, 0xFDFF), ("half- and full-width", 0xFF00, 0xFFEF), ("specials", 0xFFF0, 0xFFFF),
    ("Gothic to Deseret", 0x10330, 0x1044F), ("Brahmi to Grantha", 0x11000, 0x1137F), ("musical", 0x1D100, 0x1D1FF),
    ("mathematical letters", 0x1D400, 0x1D7FF), ("Glagolitic marks", 0x1E000, 0x1E02F), ("Adlam", 0x1E900, 0x1E95F),
    ("emoji", 0x1F300, 0x1F64F), ("more emoji", 0x1F900, 0x1F9FF), ("CJK extension B", 0x20000, 0x2A6DF),
    ("CJK supplement", 0x2F800, 0x2FA1F), ("tags, selectors", 0xE0000, 0xE01EF), ("private use", 0xE000, 0xE0FF),
]

SENTENCES = [
    "", " ", "\t\n\r ", "\u00a0\u2003\u3000", "Hello, world!", "don't can't I'm we've they're o'clock",
    "The quick brown fox jumps over the lazy dog.", "state-of-the-art (2024), e.g. 3.14% of $1,000.00 at 10:30am",
    "https://example.org/a/b?c=d&e=f#g user@example.org C:\\Windows\\x.txt", "unaffable, unbelievably antidisestablishmentarianism",
    "Café déjà vu, naïve façade, coöperate, Zoë, Ångström, Łódź, Øresund, Straße, ﬁne ﬂuﬀy oﬃce",
    "Cafe\u0301 de\u0301ja\u0300 vu, nai\u0308ve fac\u0327ade", "Đặng Thái Sơn sống ở Hà Nội; tiếng Việt có nhiều dấu",
    "İstanbul'da ışık IĞDIR ığdır iİıI", "ΑΣ Σίσυφος ΟΔΥΣΣΕΥΣ ὀδυσσεύς ᾳ ῼ ΐ", "Ёлка и ёж; Йод й; Їжак ї; ЩЁКИ", "Ångstrom Å K Ω",
    "Žluťoučký kůň úpěl ďábelské ódy", "Zażółć gęślą jaźń", "Árvíztűrő tükörfúrógép", "Fijnste ĳs Ĳsland ŉ ǅ ǆ Ǆ",
    "你好，世界！我们今天去北京。", "中文和English混排123测试", "東京タワーは333メートルです。", "がぎぐげご か\u3099き\u3099 パピプ ハ\u309aヒ\u309a ｶﾞｷﾞ",
    "한국어 형태소 분석기는 어렵습니다.", "\u1112\u1161\u11ab\u1100\u116e\u11a8 한국 가각갂힣", "𠀀𠀁 㐀㐁 \uf900\uf901 \U0002f800",
    "שָׁלוֹם עולם", "السَّلامُ عَلَيْكُم ورحمة ١٢٣", "\u202bعربي\u202c \u200fمرحبا\u200e", "हिन्दी में क्षत्रिय ज़रूरी ड़", "தமிழ் மொழி", "ภาษาไทยไม่มีช่องว่าง ำ",
    "ქართული ენა ᲥᲐᲠᲗᲣᲚᲘ", "Հայերեն և", "አማርኛ ቋንቋ።", "བོད་སྐད།", "ខ្មែរ", "မြန်မာ", "සිංහල",
    "😀😃 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 1️⃣ ❤️ ☺︎", "a😀b😀c", "👨🏿‍🚀 in space 🚀!", "x\u200by\u200cz\u200d\u2060\ufeffw", "soft\u00adhyphen",
    "\x00NUL\x00 \x01\x02\x7f\x80\x85\x9f", "\ufffd replacement \ufffd", "a\x0bb\x0cc\x1cd", "\ufeffBOM first", "line\u2028sep\u2029para",
    "\u0301", "\u0301\u0302\u0303", "a\u0301\u0323\u0302b", "e\u0301" * 40, "\u20e3 \u20dd", "q\u0307\u0323 q\u0323\u0307",
    "ＦＵＬＬ　ＷＩＤＴＨ　ａｂｃ！？１２３", "𝐌𝐚𝐭𝐡 𝒮𝒸𝓇𝒾𝓅𝓉 𝔉𝔯𝔞𝔨 𝟘𝟙𝟚", "ⅠⅡⅢ ⅳ ① ② ㊗ ㍿ ½ ¼ ² ₃ ™ ℡ №", "≠ ≮ ≯ ∄ ⊅ ⟂ a≠b", "·;` ʹ \u037e \u0387 \u1fef",
    "[CLS] [SEP] [PAD] [UNK] [MASK]", "a[SEP]b[MASK]c", "[sep] [ SEP ] [[SEP]] [SEP[SEP]", "x[MASK].[CLS]é[SEP]", "[UNK]known ##ing # # ##", "[unused0] [unused1]",
    "a" * 99, "a" * 100, "a" * 101, "a" * 250, "é" * 100, "é" * 101, "e\u0301" * 101, "字" * 150, "한" * 33, "한" * 34, "한" * 51, "ab\u200b" * 60,
    "x" * 100 + "-" + "y" * 101, "supercalifragilisticexpialidocious" * 3, "0123456789" * 10, "0123456789" * 11, "Ω" * 100 + " " + "Ω" * 101,
    "𝐚" * 100, "𝐚" * 101, "_" * 120, "ﬃ" * 60, "ΐ" * 100, "ΐ" * 101, "字a字b", "a字", "字é", "é字e\u0301",
    "a\u302eb\u302f\u0323", "ᬅ\u1b44\u0323x", "\ua953\u0301\ua953", "\U0001d15e\U0001d165\U0001d16e\u0334", "a\u0334\u302e\u0301\u302eb [SEP] x",
    "\U00011938 \u1734 \u0cf3 \u1c89 \ua7dc \U00016ea0", "“quoted” ‘single’ «guillemets» „low“ – — … ‹›", "¿Qué? ¡Olé!", "§ ¶ † ‡ • ‰ ′ ″",
    "tabs\tand\nnewlines\r\nmixed", "trailing space ", " leading", "MiXeD CaSe WORDS and ÀÉÎÕÜ", "١٢٣ १२३ １２３", "z̷͙̈́a̸͉͆l̴̰̇g̵̢̛o̶̺͝",
]


def random_texts():
    """Seeded: the same texts each time."""
    source = random.Random(20240519)
    pick = lambda block: chr(source.randint(block[1], block[2]))
    words = "the of retrieval cholesterol Statins protein-rich diet's 3.5mg X-ray [SEP] [MASK] naïve \u0301 . , ( ) 42 ÉCOLE".split(" ")
    texts = []
    for block in BLOCKS:  # One script, with spaces.
        for _ in range(11):
            texts.append("".join(" " if source.random() < 0.15 else pick(block) for _ in range(source.randint(1, 24))))
    for block in BLOCKS:  # One script among English words.
        for _ in range(6):
            parts = []
            for _ in range(source.randint(2, 7)):
                parts.append(source.choice(words) if source.random() < 0.6 else "".join(pick(block) for _ in range(source.randint(1, 5))))
            texts.append(source.choice(["", " "]).join(parts))
    marks = [c for c in range(0x300, 0x370)] + [0x302E, 0x302F, 0x3099, 0x309A, 0x1B44, 0xA953, 0x5B0, 0x64B, 0x1D165, 0x1D16D]
    for _ in range(150):  # Combining marks in any order on anything.
        texts.append("".join(pick(source.choice(BLOCKS)) + "".join(chr(source.choice(marks)) for _ in range(source.randint(0, 4))) for _ in range(source.randint(1, 6))))
    for _ in range(250):  # Everything at once.
        texts.append("".join(source.choice([pick(source.choice(BLOCKS)), source.choice(words), " ", pick(BLOCKS[0])]) for _ in range(source.randint(3, 20))))
    return [text.encode("utf-8", "ignore").decode() for text in texts]


def fnv(values, state=0xCBF29CE484222325):
    """FNV-1a, 64 bits, over the values as little-endian 32-bit words, and their number at the end."""
    for value in [*values, len(values)]:
        for byte in (value & 0xFFFFFFFF).to_bytes(4, "little"):
            state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def fnv_bytes(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def byte_offsets(text, encoding):
    positions = [0]
    for character in text:
        positions.append(positions[-1] + len(character.encode()))
    return [positions[place] for pair in encoding.offsets for place in pair]


def case(tokenizer, text, offsets):
    encoding = tokenizer.encode(text)
    return {"text": text, "ids": encoding.ids, **({"offsets": byte_offsets(text, encoding)} if offsets else {})}


def write(name, value):
    path = GOLDENS / name
    path.write_text(json.dumps(value, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")
    print(f"{name}: {path.stat().st_size} bytes")


def shared_cases(tokenizer, shared):
    cases = []
    for collection in ["cranfield", "fae-10k", "fiqa-mini", "nfcorpus", "scifact"]:
        folder = shared / "data" / collection
        for name, count in [("corpus", 170), ("queries", 80)]:
            rows = [json.loads(line) for line in open(folder / f"{name}.jsonl", encoding="utf-8")]
            for row in random.Random(7).sample(rows, min(count, len(rows))):
                text = (row.get("title", "") + " " + row["text"]).strip()
                ids = tokenizer.encode(text).ids
                cases.append([folder.name, name, row["_id"], f"{fnv_bytes(text.encode()):016x}", len(ids), f"{fnv(ids):016x}"])
    return cases


def scalar_hashes(tokenizer):
    normal = {
        "uncased": dict(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True),
        "cased": dict(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False),
        "stripped": dict(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False),
        "lowered": dict(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=True),
    }
    result = {"ids": [], **{name: [] for name in normal}}
    for first in range(0, 0x110000, 1024):
        scalars = [chr(c) for c in range(first, first + 1024) if not 0xD800 <= c < 0xE000]
        state = 0xCBF29CE484222325
        for encoding in tokenizer.encode_batch([f"a{c}b {c}" for c in scalars]):
            state = fnv(encoding.ids, state)
        result["ids"].append(f"{state:016x}")
        for name, options in normal.items():
            normalize = normalizers.BertNormalizer(**options).normalize_str
            result[name].append(f"{fnv([ord(x) for c in scalars for x in normalize(f'a{c}B')]):016x}")
    return result


def small_vocabulary(texts):
    """Special tokens, every character of the texts in its normalized forms, and some longer pieces."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "wor", "##ld", "##ing", "hello", "Hello", "caf", "##é", "##e\u0301", "##e", "é", "e\u0301",
              "na", "##ï", "##i", "##ve", "##ve##", "@@ld", "ld", "東京", "##京", "ο", "##δυσσ", "##ευσ", "##ευς", "##σ", "Å", "A\u030a", "a\u030a", "가", "ᄀ", "##ᅡ"]
    characters = set()
    for text in texts:
        for form in [text, text.lower()]:
            for strip in [False, True]:
                characters |= set(normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=strip, lowercase=False).normalize_str(form))
    for index, character in enumerate(sorted(characters)):
        if character.isspace() or index % 11 == 0:  # Some are left out, so that there are unknown words.
            continue
        tokens += [character, "##" + character, "@@" + character]
    return {token: id for id, token in enumerate(dict.fromkeys(tokens))}


VARIANT_TEXTS = [
    "Hello WORLD, hello world", "Café cafe\u0301 CAFÉ", "naïve NAÏVE nai\u0308ve", "東京 東京x x東京", "Οδυσσεύς ΟΔΥΣΣΕΎΣ", "Å A\u030a å a\u030a Å", "가 각 \u1100\u1161",
    "İx ıI", "a\u0301\u302e\u0323b", "a\u302e\u0301\u0323\u0334", "\u0323\u302ea", "ᬅ\u1b44\u0323", "x\x00y\x0bz\x85w\ufffd\u200bv", "tab\there\nnew\u2003em\u3000full",
    "[SEP] [MASK]a b[MASK] [CLS]", "aNEWa NEW ,NEW, NEWNEW new Néw", "foo bar FOO  BAR foo barx _foo bar_", "  lstrip [L]  [L] x[L]", "rstrip [R]   y[R]z [R] [R]", "word [W] a[W]b [W]. é[W] [W]\u0301 [W]\u200d",
    "abcdefghij abcdefghijk", "ééééééééééé e\u0301e\u0301e\u0301e\u0301e\u0301", "a-b_c d.e", "worlding world##ing wor ##ld", "≠ ≮ ;", "ﬁ ﬃ", "👍🏽 x", "", " ", "한국어", "\uf900\U0002f800 豈",
    "Hello Hello Hello Hello Hello Hello Hello Hello Hello Hello", "ẞ ß ǅ ŉ", "K Ω", "कि क़",
]


def variants():
    vocabulary = small_vocabulary(VARIANT_TEXTS)
    specials = [AddedToken(t, special=True, normalized=False) for t in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]]

    def build(normalizer, prefix="##", longest=100, added=(), processor="template", special=specials, cleanup=True):
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=longest))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        cls, sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
        if processor == "template":
            tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
        elif processor == "bert":
            tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
        elif processor == "odd":
            tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] [MASK] $A", special_tokens=[("[CLS]", cls), ("[MASK]", vocabulary["[MASK]"])])
        tokenizer.decoder = decoders.WordPiece(prefix=prefix, cleanup=cleanup)
        tokenizer.add_special_tokens(list(special))
        if added:
            tokenizer.add_tokens(list(added))
        return tokenizer

    def bert(clean=True, chinese=True, strip=None, lower=True):
        return normalizers.BertNormalizer(clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)

    made = {f"clean={int(c)} chinese={int(h)} strip={s} lower={int(l)}": build(bert(c, h, s, l)) for c in (True, False) for h in (True, False) for s in (None, True, False) for l in (True, False)}
    made = {name: t for index, (name, t) in enumerate(made.items()) if index % 2 == 0 or "clean=1 chinese=1" in name or "strip=True lower=0" in name}
    made["prefix @@"] = build(bert(), prefix="@@")
    made["prefix empty"] = build(bert(), prefix="")
    made["ten characters a word"] = build(bert(), longest=10)
    made["BertProcessing"] = build(bert(), processor="bert")
    made["another template"] = build(bert(), processor="odd")
    made["no post-processor"] = build(bert(), processor=None)
    made["Lowercase in front, cased"] = build(normalizers.Sequence([normalizers.Lowercase(), bert(lower=False, strip=False)]))
    made["Lowercase in front, uncased"] = build(normalizers.Sequence([normalizers.Lowercase(), bert()]))
    made["added, normalized"] = build(bert(), added=[AddedToken("NEW", normalized=True), AddedToken("foo bar", normalized=True)])
    made["added, as written"] = build(bert(), added=[AddedToken("NEW", normalized=False), AddedToken("NEWNEW", normalized=False), AddedToken("foo bar", normalized=False)])
    made["added, stripping"] = build(bert(), added=[AddedToken("[L]", lstrip=True, normalized=False), AddedToken("[R]", rstrip=True, normalized=False)])
    made["added, single words"] = build(bert(), added=[AddedToken("[W]", single_word=True, normalized=False), AddedToken("new", single_word=True, normalized=True)])
    made["[MASK] strips left"] = build(bert(), special=specials[:4] + [AddedToken("[MASK]", special=True, normalized=False, lstrip=True)])
    for side, length in [("right", 7), ("left", 7), ("right", 2)]:
        tokenizer = build(bert())
        tokenizer.enable_truncation(length, direction=side)
        made[f"truncated to {length}, {side}"] = tokenizer

    result = []
    for name, tokenizer in made.items():
        file = json.loads(tokenizer.to_str())
        assert file["model"]["vocab"] == vocabulary
        file["model"]["vocab"] = {}  # It is written once for all variants, and the test inserts it again.
        result.append({"name": name, "files": {"tokenizer.json": json.dumps(file, separators=(",", ":"))}, "cases": [case(tokenizer, text, True) for text in VARIANT_TEXTS]})
    return {"vocabulary": list(vocabulary), "variants": result + vocabulary_variants(vocabulary)}


def vocabulary_variants(vocabulary):
    """Folders without tokenizer.json, read by transformers."""
    from transformers import BertTokenizer

    result = []
    for name, configuration in [
        ("vocab.txt, uncased", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 12}),
        ("vocab.txt, cased", {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": None, "tokenize_chinese_chars": False, "model_max_length": 1e30}),
        ("vocab.txt, stripped", {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": True, "unk_token": {"content": "[UNK]", "__type": "AddedToken"}}),
    ]:
        files = {"vocab.txt": "".join(token + "\n" for token in vocabulary), "tokenizer_config.json": json.dumps(configuration)}
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                (pathlib.Path(folder) / file).write_text(content, encoding="utf-8", newline="")
            tokenizer = BertTokenizer.from_pretrained(folder)
            assert tokenizer.backend_tokenizer.get_vocab_size() == len(vocabulary), name
            cases = []
            for text in VARIANT_TEXTS:
                cases.append({"text": text, "ids": tokenizer(text, truncation=tokenizer.model_max_length < 1e9)["input_ids"]})
        result.append({"name": name, "files": {**files, "vocab.txt": ""}, "cases": cases})
    return result


def decoding(tokenizer, texts):
    cases = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        for skip in [True, False]:
            cases.append({"ids": ids, "skip": skip, "text": tokenizer.decode(ids, skip_special_tokens=skip)})
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    versions = goldens.check("tokenizers", "transformers")
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)

    texts = SENTENCES + random_texts()
    cases = [case(tokenizer, text, index < len(SENTENCES) or index % 4 == 0) for index, text in enumerate(texts)]
    write("generated.json", cases)
    shared = shared_cases(tokenizer, options.shared)
    write("shared.json", shared)
    write("decoding.json", decoding(tokenizer, [text for text in SENTENCES if 3 < len(text) < 90]))

    tokenizer.no_truncation()
    long = []
    for unit, count in [("Statins lower cholesterol; café 東京! ", 1200), ("supercalifragilistic", 1), ("x ", 10000), ("é", 30000)]:
        ids = tokenizer.encode(unit * count).ids
        long.append({"unit": unit, "count": count, "tokens": len(ids), "hash": f"{fnv(ids):016x}"})
    write("scalars.json", {"long": long, **scalar_hashes(tokenizer)})
    write("variants.json", variants())
    files = ["generated.json", "shared.json", "decoding.json", "scalars.json", "variants.json"]
    goldens.record(GOLDENS, __file__, versions, *files)
    print(len(texts), "generated,", len(shared), "shared")


if __name__ == "__main__":
    main()
