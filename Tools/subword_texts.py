"""The frozen texts on which our Unigram and BPE tokenizers are compared with Python's: twelve languages, and what breaks tokenizers.

Sentences are put together from the parts below, which were written for this purpose. Everything is seeded.
"""

import random
import unicodedata

# Beginnings, middles and ends of sentences. Any three give a sentence.
PARTS = {
    "English": (
        ["The old lighthouse keeper", "Our neighbour's youngest daughter", "A committee of forty engineers", "Nobody in the village", "The doctor who wrote this report",
         "Every second ship", "My grandmother's recipe book", "The captain, however,"],
        ["has never forgotten", "quietly repaired", "couldn't explain", "wasn't allowed to sell", "will be comparing", "rediscovered", "they've described as harmless", "must have understood"],
        ["the broken bicycle behind the mill.", "how 3,250 herrings ended up in the harbour!", "what the weather had done to the bridge.", "an unusually comfortable chair?", "those antidepressants (20 mg).",
         "her state-of-the-art microscope; it's blue.", "whether it's worth $1,099.95 or not.", "all the questions that we'd asked."]),
    "German": (
        ["Die Straßenbahnfahrerin", "Der größte Apfelbaum im Garten", "Unser Donaudampfschifffahrtskapitän", "Kein Mensch", "Das Krankenhaus am Fluss", "Eine überaus höfliche Bäckerin",
         "Mein Großvater", "Die Geschwindigkeitsbegrenzung"],
        ["verlässt heute", "hätte beinahe", "überprüft seit gestern", "wünscht sich nicht", "erklärt ausführlich", "vergaß früher oft", "dürfte ungefähr", "könnte vielleicht"],
        ["die schöne Brücke über die Weser.", "siebenundzwanzig Äpfel und Öl für 3,50 €.", "das Haustürschlüsselloch gefunden.", "„viel zu heiß“ gegessen!", "jede Rechtsschutzversicherung.",
         "den Fußballplatz gemäht?", "die Übergrößen der Schuhe verkauft.", "ganz außergewöhnliche Müßiggänger."]),
    "French": (
        ["L'institutrice du village", "Le vieux garçon d'à côté", "Aujourd'hui, personne", "Cette forêt ancienne", "Un œuf de Pâques", "Notre médecin de famille", "Mon frère aîné", "Quelqu'un"],
        ["n'a jamais oublié", "préférerait acheter", "répète sans cesse", "s'était promené avec", "reconnaît à peine", "aurait dû réparer", "cherchait déjà", "ne comprend guère"],
        ["les gâteaux brûlés de l'été dernier.", "où se trouve la clé du château ?", "qu'il pleuvra jusqu'à Noël.", "« le cœur de la ville » !", "vingt-deux mètres de ficelle.", "la réponse à cette énigme.",
         "ses élèves préférés à Besançon.", "des fenêtres peintes en bleu foncé."]),
    "Spanish": (
        ["La niña pequeña", "El panadero de la esquina", "Ningún año", "Nuestra montaña favorita", "¿Quién", "El murciélago", "Aquella señora", "Mi corazón"],
        ["olvidó rápidamente", "está construyendo", "jamás comprendió", "había escondido", "quiere pintar", "encontró después", "debería devolver", "contó otra vez"],
        ["el camión rojo de los bomberos.", "la razón por la que llovía tanto?", "doscientos cincuenta pingüinos.", "una canción sobre el océano.", "¡qué vergüenza!", "los exámenes de matemáticas.",
         "su paraguas en la estación.", "el jamón, el queso y las aceitunas."]),
    "Italian": (
        ["La città vecchia", "Il maestro di pianoforte", "Perché nessuno", "Una libreria dell'università", "L'ultimo treno della sera", "Il gelataio", "Mia zia", "Chi abita qui"],
        ["ha dimenticato", "cercherà di spiegare", "non può più vendere", "avrebbe preferito", "dipinge spesso", "sta riparando", "conosce bene", "raccontò ieri"],
        ["il ponte sull'Arno è chiuso.", "dov'è finita la chiave?", "quattrocento uova di cioccolato.", "un caffè senza zucchero, però caldo.", "la virtù della pazienza.", "gli spaghetti allo scoglio!",
         "le stelle più luminose.", "la metà dei libri."]),
    "Dutch": (
        ["De oude molenaar", "Mijn buurvrouw", "Geen enkele fietser", "Het ijsbeertje uit de dierentuin", "Een reünie van zeelieden", "Onze burgemeester", "De vuurtorenwachter", "Niemand"],
        ["vergeet zelden", "heeft geprobeerd", "zou liever", "bekijkt zorgvuldig", "verkocht gisteren", "begrijpt niet", "wil graag", "schilderde ooit"],
        ["de bruggen van Zwolle te tellen.", "twee kilo pannenkoekenmeel.", "waarom het zo hard waait?", "het coördinatiesysteem van het schip.", "'s ochtends een eitje te eten.", "de zeeën en de geïsoleerde eilanden.",
         "alle sleutels kwijt!", "een uitzonderlijk mooie tulp."]),
    "Portuguese": (
        ["A avó da Conceição", "O pescador solitário", "Ninguém na aldeia", "Este avião antigo", "Uma lição difícil", "O coração da cidade", "Meu irmão", "A estação de São Bento"],
        ["não esqueceu", "está a comparar", "gostaria de vender", "explicou ontem", "já tinha escondido", "vai reconstruir", "deveria conhecer", "nunca pintou"],
        ["as maçãs e os pães do mercado.", "três milhões de sardinhas!", "a canção que ela cantava.", "onde fica a farmácia?", "o guarda-chuva e os óculos.", "as ruas estreitas de Évora.", "um bolo de feijão.",
         "os números da última eleição."]),
    "Russian": (
        ["Старый смотритель маяка", "Наша соседка", "Никто в деревне", "Ёжик в тумане", "Молодой инженер", "Каждый второй корабль", "Бабушкина книга", "Врач, написавший отчёт,"],
        ["никогда не забывал", "тихо починил", "не смогла объяснить", "собирается продать", "внимательно сравнивает", "заново открыл", "описывает подробно", "должен был понять"],
        ["сломанный велосипед за мельницей.", "почему идёт дождь?", "двести пятьдесят селёдок!", "мост через реку Волгу.", "подъезд нового дома.", "вкусные щи и чёрный хлеб.", "все вопросы об этом объекте.",
         "необыкновенно удобное кресло."]),
    "Chinese": (
        ["灯塔的老看守人", "我们的邻居", "村里没有人", "那位写报告的医生", "四十名工程师", "奶奶的菜谱", "每隔一艘船", "年轻的船长"],
        ["从来没有忘记", "悄悄地修好了", "无法解释", "不打算出售", "正在比较", "重新发现了", "详细描述了", "终于明白了"],
        ["磨坊后面的自行车。", "为什么下雨?", "三千二百五十条鲱鱼！", "河上的大桥。", "一把非常舒服的椅子。", "那些药片（20毫克）。", "我们问过的所有问题。", "新買的顯微鏡與舊書。"]),
    "Japanese": (
        ["灯台の番人は", "隣の娘さんが", "村の誰もが", "その報告書を書いた医者は", "四十人のエンジニアが", "おばあちゃんのレシピは", "船長は", "毎週日曜日に子どもたちは"],
        ["静かに修理した", "説明できなかった", "ずっと覚えている", "売るつもりはない", "比べている", "再発見した", "ようやく理解した", "ていねいに描いた"],
        ["壊れた自転車です。", "なぜ雨が降るのですか？", "三千匹のニシン！", "川にかかる橋でした。", "とても快適な椅子。", "パーティーのケーキとコーヒー。", "すべての質問に、答えました。", "ヴァイオリンの音色。"]),
    "Arabic": (
        ["حارس المنارة العجوز", "ابنة جارنا الصغيرة", "لا أحد في القرية", "الطبيب الذي كتب التقرير", "أربعون مهندسًا", "كتاب جدتي", "كل سفينة ثانية", "القبطان الشاب"],
        ["لم ينسَ أبدًا", "أصلح بهدوء", "لم يستطع شرح", "لا يريد أن يبيع", "يقارن الآن", "اكتشف من جديد", "وصف بالتفصيل", "فهم أخيرًا"],
        ["الدراجة المكسورة خلف الطاحونة.", "لماذا تمطر؟", "٣٢٥٠ سمكة في الميناء!", "الجسر فوق النهر.", "كرسيًا مريحًا جدًا.", "كل الأسئلة التي طرحناها.", "المجهر الجديد، وهو أزرق.", "خبزًا وزيتونًا وجبنًا."]),
    "Hindi": (
        ["प्रकाशस्तंभ का बूढ़ा रखवाला", "हमारे पड़ोसी की बेटी", "गाँव में कोई भी", "रिपोर्ट लिखने वाला डॉक्टर", "चालीस इंजीनियर", "दादी की किताब", "हर दूसरा जहाज़", "युवा कप्तान"],
        ["कभी नहीं भूला", "चुपचाप ठीक किया", "समझा नहीं सका", "बेचना नहीं चाहता", "तुलना कर रहा है", "फिर से खोज निकाला", "विस्तार से बताया", "आख़िर समझ गया"],
        ["चक्की के पीछे टूटी साइकिल।", "बारिश क्यों होती है?", "तीन हज़ार मछलियाँ!", "नदी पर बना पुल।", "बहुत आरामदायक कुर्सी।", "हमारे सभी प्रश्न।", "नया सूक्ष्मदर्शी, जो नीला है।", "रोटी, ज़ैतून और पनीर।"]),
}

ODD = [
    "", " ", "  ", "\t", "\n", " \n ", "\u3000", "\u00a0", "a", " a", "a ", "  a  b  ", "\ta\tb\n\nc \r\n d", "x\r\ny\rz", "a\u0085b\u2028c\u2029d", "a\u000bb\u000cc\u001fd", "\u200ba\u200bb\ufeffc\u2060d",
    "don't can't I'm we've they're you'll she'd o'clock 's 't 'S 'LL ''s' rock'n'roll", "DON'T I'M WE'VE", "it's 5 o'clock; it'll be 6'", "“quoted” ‘single’ «guillemets» „low“ – — … ‹›",
    "https://example.org/a/b?c=d&e=f#g user@example.org C:\\Windows\\x.txt", "def f(x):\n    return x ** 2  # square\n\n\n        y = 1", "{\"key\": [1, 2.5, -3e-7, null]}", "<html>&amp;</html>", "a_b-c.d,e;f:g!h?i",
    "3.14159 2,718 1e-9 0x1F 007 ½ ² ₃ Ⅷ ① ㊗ ㍿ ™ № ℡", "１２３ＡＢＣａｂｃ　！？", "𝐌𝐚𝐭𝐡 𝒮𝒸𝓇𝒾𝓅𝓉 𝔉𝔯𝔞𝔨 𝟘𝟙𝟚", "ﬁne ﬂuﬀy oﬃce ﬃ ſt", "ﷺ ﷲ ﻻ ﻼ", "ｶﾞｷﾞｸﾞ パピプ ハ\u309aヒ\u309a か\u3099", "한국어 형태소 각힣 \u1112\u1161\u11ab",
    "😀😃 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷🇯 1️⃣ ❤️ ☺︎ 👨🏿‍🚀", "a😀b😀c", "©\u200d® \u00ae\ufe0f 1\ufe0f\u20e3 #\u20e3 a\u200d a\U0001f3fd", "e\u0301 E\u0301 n\u0303 a\u0323\u0302 a\u0302\u0323 q\u0307\u0323", "\u0301a \u0301 \t\u0301 \n\u0301\u0302",
    "ａ\u0301 Ａ\u030a ½\u0301 ²\u0302 ™\u0301 \u00a0\u0301 \u2003\u0301", "\u0600a\u0301 \u06dde\u0301 \u070fe\u0301", "a\u0e33 é\u0e33 ก\u0e33", "क\u093c ऩ क\u094dष \u0915\u094d\u200d\u0937", "ﬁ\u0301 ĳ\u0301 ǆ\u0301",
    "Å \u212b A\u030a Ω \u2126 K \u212a", "≠ =\u0338 ≮ <\u0338 ≯", "\u0958 \u0915\u093c \u0344 \u0374 ·\u0387 ;\u037e", "豈\uf900 更\uf901 \U0002f800 丽", "ẞ ß ſ ŉ ΐ ᾳ ῼ İ i\u0307 ı ς Σ", "▁a▁▁b ▁ c▁", "_a __b ___", "a▁b c",
    "<s> </s> <pad> <unk> <mask> <s>a</s>b<mask>", "a <mask> b", "a  <mask>  b", "<mask>", " <mask> ", "x<mask>y", "<unk>x <unk>", "[CLS] [SEP] [MASK] a[SEP]b", "|||EMAIL_ADDRESS||| a|||EMAIL_ADDRESS|||b", "<|endoftext|> <|x|>",
    "<u1> a<u1>b <u1><u1> ü<u1>", "[W] a[W]b [W]. é[W] [W]\u0301", "a   b    c     d", "   lead", "trail   ", "\n\n\n", " \t \t ", "a\n  b\n   c", "x" * 15 + " " * 15 + "y", "\u2003\u2003a\u2003b", "word\u00adsoft\u00adhyphen",
    "a" * 200, "ab" * 150, "é" * 120, "字" * 150, "अ" * 90, "😀" * 60, "\u0301" * 70, "supercalifragilisticexpialidocious" * 6, "0123456789" * 20, "!" * 100, "?!" * 60, "ا" * 100, "Donaudampfschifffahrtsgesellschaftskapitän" * 4,
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "தமிழ் மொழி", "ქართული ენა", "Հայերեն", "አማርኛ", "བོད་སྐད།", "မြန်မာ", "සිංහල", "\u16a0\u16a2\u16a6", "\U00010330\U00010331", "\U0001d165\U0001d16e", "\ue000\uf8ff\U000f0000",
    "\ufffd \ufffc \ufff9", "\x01\x02\x03 \x07\x1b[0m \x7f", "a\x80b\x8fc\x9fd", "\u202bعربي\u202c \u200fمرحبا\u200e \u2066x\u2069", "z̷͙̈́a̸͉͆l̴̰̇g̵̢̛o̶̺͝", "Fijnste ĳs Ĳsland", "ⅰⅱ ⓐ ⒈ ⑴", "℃ ℉ ㎏ ㏒", "…‥․", "＂＇（）［］｛｝", "\u2024\u2025",
]


def sentences(count=140, seed=18):
    source = random.Random(seed)
    out = []
    for begin, middle, end in PARTS.values():
        seen = set()
        while len(seen) < count:
            seen.add(" ".join(source.choice(part) for part in (begin, middle, end)))
        # Chinese and Japanese have no spaces between words.
        out += sorted(seen)
    return [text.replace(" ", "") if any("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in text) else text for text in out]


def mutated(base, count=420, seed=19):
    """Sentences with something in them that does not belong there."""
    source = random.Random(seed)
    inserts = ["\u0301", "\u0308", "\u200d", "\ufe0f", "😀", "👩‍🚀", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u00ad", "\x01", "\x1f", "<mask>", " <mask> ", "</s>", "[SEP]", "▁", "'s", "'", "’", "123", "٣", "字", "ﬁ", "Ⅷ",
               "½", "\U0001f1e9", "e\u0301", "ѐ", "ö", "ç", "ñ", "\u0915\u093c", "ｶﾞ", "𝒮", "…", "\ue000", "a" * 30, "-", "--", "www."]
    out = []
    for _ in range(count):
        text = source.choice(base)
        for _ in range(source.randint(1, 4)):
            place = source.randint(0, len(text))
            kind = source.random()
            if kind < 0.6:
                text = text[:place] + source.choice(inserts) + text[place:]
            elif kind < 0.7:
                text = unicodedata.normalize(source.choice(["NFD", "NFKD", "NFC"]), text)
            elif kind < 0.8:
                text = source.choice([str.upper, str.title, str.swapcase])(text)
            elif kind < 0.9:
                text = text.replace(" ", source.choice(["", "  ", "\n", "\u00a0"]))
            else:
                text = text + source.choice(["", " ", "\n"]) + source.choice(base)
        out.append(text)
    return out


def random_scalars(count=160, seed=20):
    """Scalars of many blocks, among letters and spaces."""
    source = random.Random(seed)
    blocks = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x11FF), (0x1E00, 0x20CF), (0x2100, 0x27BF), (0x3000, 0x33FF),
              (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFFEF), (0x1D100, 0x1D7FF), (0x1F300, 0x1F9FF), (0xE0000, 0xE01EF)]
    out = []
    for _ in range(count):
        first = source.choice(blocks)
        text = ""
        for _ in range(source.randint(2, 30)):
            block = first if source.random() < 0.6 else source.choice(blocks)
            text += source.choice([" ", "a", "é", chr(source.randint(*block)), chr(source.randint(*block))])
        out.append(text)
    # Only scalars that every Unicode version in use knows: two libraries may disagree on younger ones.
    return ["".join(c for c in text if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs")) for text in out]


def texts():
    base = sentences()
    found = list(dict.fromkeys(base + ODD + mutated(base) + random_scalars()))
    return [text for text in found if "\x00" not in text]


if __name__ == "__main__":
    found = texts()
    print(len(found), "texts,", sum(len(text.encode()) for text in found), "bytes")
