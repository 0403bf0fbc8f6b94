import MafinRetrieval

/// Rejects queries that point at the text instead of naming their subject. Nobody types "what does this passage say", and no search can
/// answer it.
struct DeicticFilter: TextFilter {
    func objection(to query: GeneratedQuery, of document: Document) -> (reason: RejectionReason, detail: String)? {
        let text = " " + TextShingles.normalized(query.text) + " "
        if let phrase = Self.phrases.first(where: text.contains) { return (.deictic, phrase.trimmed) }
        // For scripts without spaces between words.
        if let phrase = Self.runs.first(where: query.text.contains) { return (.deictic, phrase) }
        return nil
    }

    /// Phrases with a space at either end, in lower case without punctuation.
    static let phrases: [String] = (english + german + french + spanish + italian + portuguese + dutch + russian).map {
        " \($0) "
    }

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
                "absatz", "passage", "auszug", "kapitel",
            ])
        + each(
            ["laut", "gemäß", "im", "aus dem", "der", "dem"],
            ["text", "abschnitt", "artikel zufolge", "auszug", "textabschnitt"])
        + [
            "laut dokument", "laut artikel", "laut passage", "der autor", "die autoren", "oben genannt",
            "oben genannte", "oben genannten", "obigen text", "der passage",
        ]

    private static let french: [String] =
        each(["ce", "cet", "cette"], ["passage", "texte", "document", "article", "extrait", "paragraphe", "section"])
        + each(
            ["selon le", "d après le", "dans le", "selon l", "d après l"],
            ["passage", "texte", "document", "article", "extrait", "auteur"])
        + ["l auteur", "mentionné ci dessus", "ci dessus"]

    private static let spanish: [String] =
        each(["este", "esta", "ese"], ["pasaje", "texto", "documento", "artículo", "párrafo", "fragmento", "sección"])
        + each(["según el", "de acuerdo con el", "en el"], ["pasaje", "texto", "fragmento", "párrafo"])
        + ["según el documento", "según el artículo", "según el autor", "el autor", "mencionado anteriormente"]

    private static let italian: [String] =
        each(
            ["questo", "questa"],
            ["brano", "testo", "documento", "articolo", "paragrafo", "passaggio", "estratto", "sezione"])
        + each(["secondo il", "nel", "in base al"], ["brano", "testo", "passaggio", "paragrafo"])
        + ["secondo l autore", "l autore", "sopra menzionato"]

    private static let portuguese: [String] =
        each(
            ["este", "esta", "esse", "neste", "nesta"],
            ["trecho", "texto", "documento", "artigo", "parágrafo", "passagem", "seção"])
        + each(["segundo o", "de acordo com o", "conforme o", "no"], ["trecho", "texto", "parágrafo"])
        + ["segundo o autor", "o autor", "mencionado acima"]

    private static let dutch: [String] =
        each(["deze", "dit"], ["tekst", "passage", "alinea", "document", "artikel", "fragment", "sectie"])
        + each(["volgens de", "volgens het", "in de", "in het"], ["tekst", "passage", "alinea", "fragment"])
        + ["volgens het document", "volgens het artikel", "de auteur", "hierboven genoemd"]

    private static let russian: [String] =
        each(
            ["этот", "этом", "этого", "данный", "данном", "данного"],
            ["текст", "тексте", "текста", "документ", "документе", "отрывок", "отрывке", "отрывка", "статье"])
        + each(["согласно", "в"], ["тексту", "отрывку", "тексте", "отрывке"])

    private static let runs = [
        "この文章", "この文書", "この記事", "本文", "上記の", "この段落", "这段", "该段", "这篇", "该文", "文中", "根据上文", "上述", "本段",
        "이 글", "이 문서", "본문", "위의 글", "이 지문",
    ]
}
