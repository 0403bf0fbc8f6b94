import MafinRetrieval

/// Rejects queries that point at the text instead of naming their subject. Nobody types "what does this passage say", and no search can
/// answer it.
struct DeicticFilter: TextFilter {
    func objection(to query: GeneratedQuery, of document: Document) -> (reason: RejectionReason, detail: String)? {
        let text = " " + TextShingles.normalized(query.text) + " "
        if let phrase = Self.phrases.first(where: text.contains) { return (.deictic, phrase.trimmed) }
        if let phrase = Self.runs.first(where: query.text.contains) { return (.deictic, phrase) }
        return nil
    }

    /// The phrases of each language, in lower case without punctuation. A query may be in another language than its passage, so the
    /// phrases of all languages count for every query.
    static let byLanguage: [Language: [String]] = [
        .english: english, .german: german, .french: french, .spanish: spanish, .italian: italian, .dutch: dutch,
        .portuguese: portuguese, .russian: russian, .chinese: chinese, .japanese: japanese, .korean: korean,
    ]

    /// Languages without spaces between words, or with endings that are written together with the word.
    private static let withoutSpaces: [Language] = [.chinese, .japanese, .korean]
    /// Phrases that may stand anywhere.
    private static let runs = withoutSpaces.flatMap { byLanguage[$0] ?? [] }
    /// Phrases of words, with a space at either end.
    private static let phrases = Language.allCases.filter { !withoutSpaces.contains($0) }
        .flatMap { byLanguage[$0] ?? [] }.map { " \($0) " }

    private static func each(_ starts: [String], _ nouns: [String], _ ends: [String] = [""]) -> [String] {
        starts.flatMap { start in
            nouns.flatMap { noun in ends.map { "\(start) \(noun) \($0)".trimmed } }
        }
    }

    /// Nouns that always mean the text itself, and nouns that can also be the subject ("sign the document").
    private static let english: [String] = {
        let texts = ["passage", "excerpt", "paragraph", "snippet"]
        let works = [
            "text", "document", "article", "section", "chapter", "page", "report", "paper", "study", "context",
            "content",
        ]
        let verbs = [
            "say", "says", "mention", "mentions", "mentioned", "state", "states", "describe", "describes", "discuss",
            "discusses", "explain", "explains", "suggest", "suggests",
        ]
        return each(["this", "the", "that"], texts) + each(["this", "given", "provided", "following"], works)
            + each(
                [
                    "according to the", "based on the", "as per the", "described in the", "mentioned in the",
                    "stated in the", "discussed in the",
                ], works)
            + each(["the"], works, verbs)
            + [
                "the author", "the authors", "mentioned above", "described above", "the above", "mentioned here",
                "described here",
            ]
    }()

    private static let german: [String] =
        each(
            ["dieser", "diesem", "dieses", "diesen", "diese"],
            [
                "text", "texts", "textes", "dokument", "dokuments", "artikel", "artikels", "abschnitt", "abschnitts",
                "absatz", "passage", "auszug", "kapitel", "textabschnitt", "textausschnitt", "ausschnitt", "beitrag",
                "bericht",
            ])
        + each(
            ["laut", "gemäß", "im", "aus dem", "der", "dem"],
            ["text", "abschnitt", "artikel zufolge", "auszug", "textabschnitt"])
        + [
            "laut dokument", "laut artikel", "laut passage", "laut dem dokument", "laut dem artikel", "der autor",
            "die autoren", "der verfasser", "oben genannt", "oben genannte", "oben genannten", "oben erwähnt",
            "oben beschrieben", "obigen text", "der passage", "vorliegenden text", "folgenden text",
        ]

    private static let french: [String] =
        each(["ce", "cet", "cette"], ["passage", "texte", "document", "article", "extrait", "paragraphe", "section"])
        + each(
            ["selon le", "d après le", "dans le", "selon l", "d après l"],
            ["passage", "texte", "document", "article", "extrait", "auteur"])
        + ["l auteur", "les auteurs", "mentionné ci dessus", "ci dessus", "le présent document"]

    private static let spanish: [String] =
        each(["este", "esta", "ese"], ["pasaje", "texto", "documento", "artículo", "párrafo", "fragmento", "sección"])
        + each(["según el", "de acuerdo con el", "en el"], ["pasaje", "texto", "fragmento", "párrafo"])
        + [
            "según el documento", "según el artículo", "según el autor", "el autor", "mencionado anteriormente",
            "el presente texto",
        ]

    private static let italian: [String] =
        each(
            ["questo", "questa"],
            ["brano", "testo", "documento", "articolo", "paragrafo", "passaggio", "estratto", "sezione"])
        + each(["secondo il", "nel", "in base al"], ["brano", "testo", "passaggio", "paragrafo"])
        + ["secondo il documento", "secondo l articolo", "secondo l autore", "l autore", "sopra menzionato"]

    private static let portuguese: [String] =
        each(
            ["este", "esta", "esse", "neste", "nesta"],
            ["trecho", "texto", "documento", "artigo", "parágrafo", "passagem", "seção"])
        + each(["segundo o", "de acordo com o", "conforme o", "no"], ["trecho", "texto", "parágrafo"])
        + ["segundo o documento", "segundo o artigo", "segundo o autor", "o autor", "mencionado acima"]

    private static let dutch: [String] =
        each(["deze", "dit"], ["tekst", "passage", "alinea", "document", "artikel", "fragment", "sectie"])
        + each(["volgens de", "volgens het", "in de", "in het"], ["tekst", "passage", "alinea", "fragment"])
        + [
            "volgens het document", "volgens het artikel", "volgens de auteur", "de auteur", "hierboven genoemd",
            "hierboven vermeld", "bovenstaande tekst",
        ]

    private static let russian: [String] =
        each(
            ["этот", "этом", "этого", "данный", "данном", "данного"],
            ["текст", "тексте", "текста", "документ", "документе", "отрывок", "отрывке", "отрывка", "статье"])
        + each(["согласно", "в"], ["тексту", "отрывку", "тексте", "отрывке"])
        + [
            "согласно документу", "согласно статье", "по тексту", "автор текста", "автор статьи", "упомянутый выше",
            "указанный выше",
        ]

    private static let chinese = [
        "这段", "该段", "这篇", "该文", "文中", "根据上文", "上述", "本段", "本文", "根据文章", "根据文本", "这份文件", "该文件", "文章中提到", "作者认为",
        "這段", "該段", "這篇", "根據上文", "根據文章",
    ]

    private static let japanese = [
        "この文章", "この文書", "この記事", "本文", "上記の", "この段落", "この資料", "この本文", "文中で", "筆者は",
    ]

    private static let korean = ["이 글", "이 문서", "본문", "위의 글", "이 지문", "이 기사", "이 문단", "위 글", "글쓴이는"]
}
