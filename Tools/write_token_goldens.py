"""Writes Tests/MafinProvidersTests/Goldens/tokens.json: texts of many scripts, and their numbers of tokens by real tokenizers.

    pip install tiktoken tokenizers sentencepiece
    pip install --no-deps litellm mistral-common      # for the vocabularies that they carry
    python3 Tools/write_token_goldens.py [FOLDER OF A BERT TOKENIZER]

An estimate from above must not be below the highest count of all tokenizers.
"""

import base64
import importlib.metadata
import importlib.util
import json
import os
import random
import sys

import sentencepiece
import tiktoken
from tokenizers import Tokenizer

random.seed(1)


def package(name):
    return list(importlib.util.find_spec(name).submodule_search_locations)[0]


def byte_pairs(ranks, pattern):
    encoding = tiktoken.Encoding(name="golden", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def cl100k():
    folder = os.path.join(package("litellm"), "litellm_core_utils", "tokenizers")
    with open(os.path.join(folder, "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"), "rb") as lines:
        pairs = [line.split() for line in lines if line.strip()]
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    return byte_pairs({base64.b64decode(text): int(rank) for text, rank in pairs}, pattern)


def tekken():
    with open(os.path.join(package("mistral_common"), "data", "tekken_240911.json")) as file:
        data = json.load(file)
    config = data["config"]
    size = config["default_vocab_size"] - config.get("default_num_special_tokens", 1000)
    ranks = {base64.b64decode(word["token_bytes"]): word["rank"] for word in data["vocab"][:size]}
    return byte_pairs(ranks, config["pattern"])


def tokenizer(file):
    loaded = Tokenizer.from_file(file)
    loaded.no_truncation()
    loaded.no_padding()
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)


tokenizers = {"cl100k": cl100k(), "tekken": tekken()}
llama = sentencepiece.SentencePieceProcessor(
    model_file=os.path.join(package("mistral_common"), "data", "tokenizer.model.v1")
)
tokenizers["llama"] = lambda text: len(llama.encode(text))
tokenizers["anthropic"] = tokenizer(
    os.path.join(package("litellm"), "litellm_core_utils", "tokenizers", "anthropic_tokenizer.json")
)
if len(sys.argv) > 1:
    tokenizers["bert"] = tokenizer(os.path.join(sys.argv[1], "tokenizer.json"))


def letters(alphabet, count=200):
    return "".join(random.choice(alphabet) for _ in range(count))


def characters(first, last, count=80):
    return "".join(chr(random.randrange(first, last)) for _ in range(count))


lower = "abcdefghijklmnopqrstuvwxyz"
texts = {
    "English": "Statins lower the concentration of low-density lipoprotein cholesterol; whether they prolong life in people "
    "without heart disease has been studied in more than twenty randomised trials.",
    "German": "Donaudampfschifffahrtsgesellschaftskapitäne müssen die Straßenverkehrszulassungsordnung nicht kennen.",
    "Finnish": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "Arabic": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميراً",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "Amharic": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው። የተፈጥሮ ማስተዋልና ሕሊና ስላለው",
    "Armenian": "Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով։",
    "Tibetan": characters(0x0F40, 0x0FBC),
    "random Ethiopic": characters(0x1200, 0x1357),
    "random Han": characters(0x4E00, 0x9FA5),
    "squared words": characters(0x3300, 0x3357),
    "Arabic ligature": "\ufdfa" * 20,
    "emoji": characters(0x1F300, 0x1F5FF),
    "joined emoji": "👨‍👩‍👧‍👦👩🏽‍🚀🏳️‍🌈🇩🇪❤️‍🔥" * 5,
    "mathematics": "∀ε>0 ∃δ>0: |x−a|<δ ⇒ |ƒ(x)−L|<ε, ∑ᵢ₌₁ⁿ αᵢ·βᵢ ≤ ∫₀^∞ e^{−t²}dt ≈ √π/2",
    "Swift": "for (row, index) in rows.indices.enumerated() where !seen.contains(index) {\n    total += rows.vectors[row, 0]\n}",
    "minified JavaScript": "!function(e,t){for(var n=0,r=e.length;n<r;n++)t[e[n]]=1<<n^(r&0xff)}([1,2,3],{});",
    "JSON": '{"id":"a7","values":[0.125,-3.5e-7,null],"nested":{"k":[true,false,{}]}}',
    "numbers": ",".join("%.6f" % random.gauss(0, 1) for _ in range(30)),
    "digits": letters("0123456789"),
    "hexadecimal": letters("0123456789abcdef"),
    "base64": base64.b64encode(random.randbytes(150)).decode(),
    "random lower case": letters(lower),
    "consonants": letters("bcdfghjklmnpqrstvwxz"),
    "random upper case": letters(lower.upper()),
    "random mixed case": letters(lower + lower.upper()),
    "protein": letters("ACDEFGHIKLMNPQRSTVWY"),
    "punctuation": letters("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "white space": letters(" \t\n"),
}

result = {
    "made_with": {
        name: importlib.metadata.version(name)
        for name in ["tiktoken", "tokenizers", "sentencepiece", "litellm", "mistral-common"]
    }
    | {"tokenizers_of": sorted(tokenizers)},
    "texts": [
        {"name": name, "text": text, "tokens": max(count(text) for count in tokenizers.values())}
        for name, text in texts.items()
    ],
}
target = os.path.join(os.path.dirname(__file__), "..", "Tests", "MafinProvidersTests", "Goldens", "tokens.json")
with open(target, "w", encoding="utf-8") as file:
    json.dump(result, file, ensure_ascii=False, indent=1)
    file.write("\n")
