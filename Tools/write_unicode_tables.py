"""Writes Sources/MafinText/UnicodeTables.swift: how Python `tokenizers` (Rust) treats every Unicode scalar.

The Rust library takes white space, lower case, decomposition, nonspacing marks, punctuation and "other" characters from
five crates of different ages. So no single Unicode version describes it, and Swift's own tables change with the
operating system. The tables are therefore measured: every scalar goes through each step of BertNormalizer,
BertPreTokenizer and ByteLevel, and through Precompiled with a map that shows what a grapheme cluster is. The results are
written as ranges. Unicode never changes decompositions and combining classes of assigned scalars, so these are only
compared.

    python Tools/write_unicode_tables.py
"""

import pathlib
import unicodedata

import goldens
import tokenizers
from tokenizers import normalizers, pre_tokenizers

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Sources/MafinText/UnicodeTables.swift"
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)


def step(**chosen):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **chosen}).normalize_str


def ranges(scalars):
    """Inclusive ranges. A range may include the surrogates, which no text holds."""
    out = []
    for c in sorted(scalars):
        if out and (out[-1][1] == c - 1 or (out[-1][1] == 0xD7FF and c == 0xE000)):
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def progressions(mapping):
    """(first, last, stride, difference) with mapping[c] = c + difference for c in first, first + stride, ..., last."""
    out = []
    for c in sorted(mapping):
        difference = mapping[c] - c
        if out and out[-1][3] == difference:
            first, last, stride, _ = out[-1]
            if first == last and c - last in (1, 2):
                out[-1] = [first, c, c - last, difference]
                continue
            if first != last and c - last == stride:
                out[-1][1] = c
                continue
        out.append([c, c, 1, difference])
    return out


def combining_classes(decompose):
    """The canonical combining class that NFD sorts by. It is found by testing with which known marks a scalar changes places."""
    swaps = lambda a, b: a != b and decompose(a + b) == b + a
    lowest, highest = "\u0334", "\u0345"  # classes 1 and 240, in Unicode from the start
    known = {1: lowest, 240: highest}
    for c in SCALARS:
        k = unicodedata.combining(chr(c))
        # A representative alone must stay unchanged, and the (older) table in use must have it as a mark.
        if k and k not in known and decompose(chr(c)) == chr(c) and swaps(chr(c), lowest) and swaps(highest, chr(c)):
            known[k] = chr(c)
    levels = sorted(known)
    # The representatives themselves must sort as their classes say.
    for low, high in zip(levels, levels[1:]):
        assert swaps(known[high], known[low]) and not swaps(known[low], known[high]), (low, high)
    result = {}
    for c in SCALARS:
        ch = chr(c)
        if decompose(ch) != ch:
            continue
        if not (swaps(ch, lowest) or swaps(highest, ch)):
            continue
        exact = [k for k in levels if k == unicodedata.combining(ch)] + levels
        result[c] = next(k for k in exact if not swaps(ch, known[k]) and not swaps(known[k], ch))
    return result


def byte_level_classes():
    """Letters and numbers of GPT-2's expression: a scalar that stays in one word with its like."""
    words = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    letters = [c for c in SCALARS if len(words(f"a{chr(c)}a")) == 1]
    numbers = [c for c in SCALARS if len(words(f"1{chr(c)}1")) == 1]
    spaces = [c for c in SCALARS if len(words(f"!{chr(c)}!")) == 3 and not 0x30 <= c < 0x3A and len(words(f"a{chr(c)}{chr(c)}")) == 2]
    # The space itself joins the word that follows.
    return letters, numbers, sorted({0x20, *spaces} - set(letters) - set(numbers))


def single_map(key, value):
    """A map of characters that replaces one key: a trie of Darts-clone with one path, whose node for byte i is in block i + 1."""
    units = [0] * (256 * (len(key) + 2))
    node = 0
    for index, byte in enumerate(key):
        block = 256 * (index + 1)
        units[node] |= (node ^ block) << 10
        node = block ^ byte
        units[node] = byte
    block = 256 * (len(key) + 1)
    units[node] |= (node ^ block) << 10 | 1 << 8
    units[block] = 1 << 31
    blob = b"".join(unit.to_bytes(4, "little") for unit in units)
    return len(blob).to_bytes(4, "little") + blob + value + b"\0"


def cluster_classes():
    """Precompiled replaces a whole grapheme cluster if its beginning is in the map. Only clusters of at most five bytes matter."""
    after_a = normalizers.Precompiled(single_map(b"a", b"b")).normalize_str
    extending = [c for c in SCALARS if after_a("a" + chr(c)) == "b"]
    controls, prepended = [], []
    for c in SCALARS:
        if c > 0xFFFF or c == 0:
            continue
        alone = normalizers.Precompiled(single_map(chr(c).encode(), b"x")).normalize_str
        if len(chr(c).encode()) < 4 and alone(chr(c) + "\u0301") != "x":
            controls.append(c)
        if alone(chr(c) + "z") == "x":
            prepended.append(c)
    return extending, controls, prepended


def main():
    goldens.check("tokenizers")
    clean, strip, lower = step(clean_text=True), step(strip_accents=True), step(lowercase=True)
    chinese = step(handle_chinese_chars=True)
    decompose = normalizers.NFD().normalize_str
    pieces = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

    removed, spaces, punctuation, marks, ideographs, lowered, decomposed = [], [], [], [], [], {}, {}
    for c in SCALARS:
        ch = chr(c)
        count = len(pieces("a" + ch + "a"))
        if count == 2:
            spaces.append(c)
        elif count == 3:
            punctuation.append(c)
        cleaned = clean(ch)
        if cleaned == "":
            removed.append(c)
        else:
            assert cleaned == (" " if c in spaces[-1:] else ch), hex(c)
        if chinese(ch) != ch:
            assert chinese(ch) == f" {ch} "
            ideographs.append(c)
        if lower(ch) != ch:
            lowered[c] = lower(ch)
        nfd = decompose(ch)
        if nfd != ch:
            decomposed[c] = nfd
        elif strip(ch) == "":
            marks.append(c)
    mark_set = set(marks)
    for c in SCALARS:  # Stripping accents decomposes and then drops the marks, and does nothing else.
        ch = chr(c)
        assert strip(ch) == "".join(x for x in decomposed.get(c, ch) if ord(x) not in mark_set), hex(c)

    special = {c: [ord(x) for x in s] for c, s in lowered.items() if len(s) > 1}
    assert special == {0x130: [0x69, 0x307]}, special
    single = {c: ord(s) for c, s in lowered.items() if len(s) == 1}

    for c in HANGUL:  # Decomposed by the algorithm of the Unicode standard, so not in the table.
        index = c - 0xAC00
        jamo = [0x1100 + index // 588, 0x1161 + index % 588 // 28] + ([0x11A7 + index % 28] if index % 28 else [])
        assert [ord(x) for x in decomposed.pop(c)] == jamo

    # A scalar's decomposition and class never change once it is assigned, so Swift's own Unicode data have them. Which scalars the Rust
    # library knows is measured.
    classes = combining_classes(decompose)
    for c, nfd in decomposed.items():
        assert nfd == unicodedata.normalize("NFD", chr(c)), hex(c)
    for c, combining in classes.items():
        assert combining == unicodedata.combining(chr(c)), hex(c)

    letters, numbers, byte_level_spaces = byte_level_classes()
    assert byte_level_spaces == spaces, set(byte_level_spaces) ^ set(spaces)
    extending, controls, prepended = cluster_classes()

    sections = [
        ("removed", "Dropped by `clean_text`: control, format, private-use and unassigned characters, NUL and U+FFFD. "
                    "Ranges: first, last.", "UInt32", [x for r in ranges(removed) for x in r], 1),
        ("whitespace", "Separates words. Ranges: first, last.", "UInt32", [x for r in ranges(spaces) for x in r], 1),
        ("punctuation", "A word of its own. Ranges: first, last.", "UInt32",
         [x for r in ranges(punctuation) for x in r], 1),
        ("ideographs", "A word of its own under `handle_chinese_chars`. Ranges: first, last.", "UInt32",
         [x for r in ranges(ideographs) for x in r], 1),
        ("nonspacingMarks", "Dropped by `strip_accents`, after decomposition. Ranges: first, last.", "UInt32",
         [x for r in ranges(marks) for x in r], 1),
        ("combining", "A canonical combining class other than 0. Ranges: first, last.", "UInt32",
         [x for r in ranges(classes) for x in r], 1),
        ("lowercase", "Simple lower case. Quadruples: first, last, stride, difference. (U+0130 alone becomes two scalars.)",
         "Int32", [x for r in progressions(single) for x in r], 1),
        ("decomposed", "A canonical decomposition, without Hangul syllables. Ranges: first, last.", "UInt32",
         [x for r in ranges(decomposed) for x in r], 1),
        ("letters", "`\\p{L}` of the expression of ByteLevel. Ranges: first, last.", "UInt32", [x for r in ranges(letters) for x in r], 1),
        ("numbers", "`\\p{N}` of the expression of ByteLevel. Ranges: first, last.", "UInt32", [x for r in ranges(numbers) for x in r], 1),
        ("extending", "Belongs to the grapheme cluster of the scalar before it. Ranges: first, last.", "UInt32",
         [x for r in ranges(extending) for x in r], 1),
        ("controls", "A grapheme cluster of its own, whatever follows; below U+10000. Ranges: first, last.", "UInt32",
         [x for r in ranges(controls) for x in r], 1),
        ("prepended", "Begins a grapheme cluster that the next scalar belongs to; below U+10000. Ranges: first, last.", "UInt32",
         [x for r in ranges(prepended) for x in r], 1),
    ]
    lines = [
        "// swift-format-ignore-file",
        "//",
        f"// Written by Tools/write_unicode_tables.py from Python `tokenizers` {tokenizers.__version__}. Do not edit.",
        "",
        "/// What the Rust `tokenizers` library does to each Unicode scalar, as ranges.",
        "enum UnicodeTables {",
    ]
    for name, text, kind, values, _ in sections:
        lines += [f"    /// {text}", f"    static let {name}: [{kind}] = ["]
        line = "       "
        for value in values:
            item = f" {hex(value)}," if value >= 0 and kind == "UInt32" else f" {value},"
            if len(line) + len(item) > 120:
                lines.append(line)
                line = "       "
            line += item
        lines += [line, "    ]", ""]
        print(f"{name}: {len(values)} numbers")
    lines[-1] = "}"
    OUTPUT.write_text("\n".join(lines) + "\n")
    reordered = [hex(c) for c in classes if c not in mark_set]
    print("in need of sorting though not stripped:", len(reordered), reordered)


if __name__ == "__main__":
    main()
