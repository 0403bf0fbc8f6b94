import MafinMethod
import MafinPipeline
import MafinRetrieval

extension ReportPage {
    /// The queries that changed most, with both rankings side by side.
    var examples: Section? {
        guard let examples = facts.examples, !examples.wins.isEmpty || !examples.losses.isEmpty else { return nil }
        let sources = examples.sources
        var content = lead(
            (facts.exampleSystemNote.map { $0 + " " } ?? "")
                + "The queries whose \(examples.metric) changed most, with both rankings: \(title(of: examples.baseline)) on the left, "
                + "\(title(of: examples.system)) on the right. Relevant documents are bold; documents without a note were not judged."
        )
        if !sources.isEmpty {
            content += element("ul", ["class": "keys"]) {
                for source in sources { key(Self.color(of: source, among: sources), source.title) }
            }
            content += note(
                "A score is the sum of its sources’ parts. Bars start at the lowest part among the documents shown for a query, to make "
                    + "differences visible; the numbers are the full parts.")
        }
        for (title, kind, list) in [
            ("Biggest wins", "win", examples.wins), ("Biggest losses", "loss", examples.losses),
        ]
        where !list.isEmpty {
            content += element("h3") { title }
            content += element("div", ["class": "examples"]) {
                for (index, example) in list.enumerated() {
                    self.example(example, id: "\(kind)-\(index + 1)", isOpen: index == 0, of: examples)
                }
            }
        }
        return Section(id: "examples", title: "Wins and losses", content: content)
    }

    /// The class with a source’s colour: black box and local encoder have their own, all others one of the palette’s.
    static func color(of source: SourceName, among sources: [SourceName]) -> String {
        if source == .blackBox { return "c-black-box" }
        if source == .local { return "c-accent" }
        let place = sources.filter { $0 != .blackBox && $0 != .local }.firstIndex(of: source) ?? 0
        return PageStyle.sourceColors[place % PageStyle.sourceColors.count]
    }

    private func key(_ color: String, _ text: String) -> Markup {
        element("li") {
            element("span", ["class": "key \(color)", "aria-hidden": "true"])
            text
        }
    }

    private func example(_ example: QueryExample, id: String, isOpen: Bool, of examples: ExampleFacts) -> Markup {
        element("details", ["class": "example", "id": id, "open": isOpen ? "open" : nil]) {
            element("summary") {
                element("span", ["class": "change \(example.change < 0 ? "down" : "up")"]) { signed(example.change) }
                element("span", ["class": "query", "dir": "auto"]) {
                    if let image = example.image { thumbnail(image, of: example.queryId) }
                    singleLine(example.image == nil ? example.name : example.query, 300)
                }
                element("span", ["class": "values"]) { "\(mean(example.baselineValue)) → \(mean(example.systemValue))" }
            }
            element("div", ["class": "inside"]) {
                note(
                    "Query \(example.queryId), \(Number.count(example.relevantDocuments)) relevant "
                        + (example.relevantDocuments == 1 ? "document." : "documents."))
                if example.query.count > 300 { element("p") { foreignText(example.query, showing: 600) } }
                rankings(example, id: id, of: examples)
                for attribution in example.attributions ?? [] { words(attribution, example) }
                texts(example, id: id, of: examples)
            }
        }
    }

    private func rankings(_ example: QueryExample, id: String, of examples: ExampleFacts) -> Markup {
        let bars = ScoreBars(example)
        let sources = examples.sources
        // If every grade is 1, grades are not shown.
        let isGraded = (examples.wins + examples.losses).contains { example in
            (example.baselineRanking + example.systemRanking).contains { ($0.grade ?? 0) > 1 }
        }
        let ids = documentIds(example)
        func list(_ title: String, _ ranking: [RankedDocument], isBaseline: Bool) -> Markup {
            element("div") {
                element("h4") { title }
                element("ol", ["class": example.documents.values.contains { $0.image != nil } ? "pictured" : nil]) {
                    for entry in ranking {
                        row(
                            entry, image: example.documents[entry.id]?.image, name: example.line(of: entry.id, 160),
                            isBaseline: isBaseline, isGraded: isGraded,
                            bars: bars, sources: sources, link: ids.firstIndex(of: entry.id).map { "#\(id)-d\($0 + 1)" }
                        )
                    }
                }
            }
        }
        return element("div", ["class": "rankings"]) {
            list(title(of: examples.baseline), example.baselineRanking, isBaseline: true)
            slopes(example)
            list(title(of: examples.system), example.systemRanking, isBaseline: false)
        }
    }

    private func row(
        _ entry: RankedDocument, image: String?, name: String, isBaseline: Bool, isGraded: Bool, bars: ScoreBars,
        sources: [SourceName], link: String?
    ) -> Markup {
        element("li", ["class": entry.isRelevant ? "relevant" : nil]) {
            element("span", ["class": "rank"]) { "\(entry.rank)" }
            if let image { thumbnail(image, of: entry.id) }
            element("a", ["class": "doc", "dir": "auto", "href": link]) { name }
            element("span", ["class": "grade"]) {
                switch entry.grade {
                case .some(let grade) where grade > 0: isGraded ? "relevant, grade \(grade)" : "relevant"
                case .some: "judged not relevant"
                case nil: ""
                }
            }
            // The bar is a drawing, because the page's policy allows no style on a single element.
            element(
                "svg", ["class": "bar", "aria-hidden": "true", "viewBox": "0 0 100 8", "preserveAspectRatio": "none"]
            ) {
                for segment in bars.segments(entry, isBaseline: isBaseline) {
                    bar(from: segment.start, to: segment.end, Self.color(of: segment.source, among: sources))
                }
            }
            element("span", ["class": "score", "title": isBaseline ? nil : entry.parts.map(Self.sum)]) {
                Self.score(entry, isBaseline: isBaseline)
            }
        }
    }

    private func thumbnail(_ image: String, of id: String) -> Markup {
        element("img", ["class": "thumb", "src": image, "alt": "picture \(id)", "loading": "lazy"])
    }

    /// A part of a bar, in shares of the bar's room, with a small gap before it.
    private func bar(from start: Double, to end: Double, _ color: String) -> Markup {
        let x = start > 0 ? start * 100 + 0.4 : 0
        return SVG.rect(x: x, y: 0, width: end * 100 - x, height: 8, class: color)
    }

    /// More parts than these do not fit beside a document. They are in the bar, and with the texts.
    private static let shownParts = 3

    private static func score(_ entry: RankedDocument, isBaseline: Bool) -> String {
        guard !isBaseline, let parts = entry.parts else { return entry.score.map(decimal) ?? "" }
        let present = parts.parts.filter { $0.value != 0 }
        guard (2...shownParts).contains(present.count) else { return decimal(parts.total) }
        let terms = present.dropFirst().map { "\($0.value < 0 ? "−" : "+") \(decimal(abs($0.value)))" }
        return "\(decimal(parts.total)) = \(decimal(present[0].value)) \(terms.joined(separator: " "))"
    }

    /// `black box 0.45, local encoder 0.2`.
    private static func sum(_ parts: ScoreParts) -> String {
        parts.parts.map { "\($0.source.title) \(decimal($0.value))" }.joined(separator: ", ")
    }

    private static func decimal(_ value: Double) -> String {
        Number.typographic(Number.withoutLeadingZero(Number.decimal(value)))
    }

    /// Lines between the ranks of a document in both rankings.
    private func slopes(_ example: QueryExample) -> Markup {
        let rows = Double(max(example.baselineRanking.count, example.systemRanking.count, 1))
        func y(_ rank: Int) -> Double { Double(rank) - 0.5 }
        func line(_ entry: RankedDocument, _ from: (Double, Double), isFallen: Bool, to place: Int) -> Markup {
            let name = isFallen ? "relevant fallen" : "relevant"
            return SVG.line(from, (96, y(place)), class: entry.isRelevant ? name : nil)
        }
        let places = Dictionary(example.systemRanking.map { ($0.id, $0.rank) }, uniquingKeysWith: { first, _ in first })
        let before = Set(example.baselineRanking.map(\.id))
        return element("div", ["class": "slopes", "aria-hidden": "true"]) {
            element(
                "svg",
                [
                    "viewBox": "0 0 100 \(coordinate(rows))", "preserveAspectRatio": "none",
                    "height": "\(Int(rows) * 54)",
                ]
            ) {
                // Relevant documents are drawn over the others.
                for isRelevant in [false, true] {
                    for entry in example.baselineRanking where entry.isRelevant == isRelevant {
                        if let place = places[entry.id] {
                            line(entry, (4, y(entry.rank)), isFallen: place > entry.rank, to: place)
                        }
                    }
                    for entry in example.systemRanking
                    where entry.isRelevant == isRelevant && !before.contains(entry.id) {
                        line(entry, (70, rows + 0.2), isFallen: false, to: entry.rank)
                    }
                }
            }
        }
    }

    private func words(_ attribution: DocumentAttribution, _ example: QueryExample) -> Markup {
        let place = example.systemRanking.first { $0.id == attribution.documentId }?.rank
        let name = example.line(of: attribution.documentId, 160)
        let method =
            switch attribution.query.method {
            case .leaveOneOut:
                "Leave-one-out: by how much the local encoder’s part of the score falls when the word is removed and the text encoded again."
            }
        return element("div") {
            element("p", ["class": "words-title"]) {
                element("strong") { "How each word contributes to the local encoder’s score" }
                " of “"
                element("span", ["dir": "auto"]) { name }
                "”" + (place.map { " (rank \($0))" } ?? "")
            }
            note(method + " Blue words raise the score, orange words with dots lower it.")
            tinted(attribution.query, name: "Query")
            if let document = attribution.document { tinted(document, name: "Document") }
        }
    }

    /// A word below this share of the strongest word has no tint, because most words matter a little.
    private static let faintest = 0.1

    /// Number of words of a text that are shown with tints. The rest is shown with the full texts.
    private static let shownPieces = 320

    /// Tints are relative to the text's own strongest word, because a word of a short query matters far more than one of a page of text.
    private func tinted(_ attribution: ScoreAttribution, name: String) -> Markup {
        let strongest = attribution.pieces.compactMap(\.contribution).max { abs($0) < abs($1) } ?? 0
        return note(
            "\(name): \(Self.decimal(attribution.score)) with all words; the strongest word contributes "
                + "\(Number.typographic(Number.signedDecimal(strongest))).")
            + element("p", ["class": "words", "dir": "auto"]) {
                for piece in attribution.pieces.prefix(Self.shownPieces) { tinted(piece, strongest: abs(strongest)) }
                if attribution.pieces.count > Self.shownPieces { " …" }
            }
    }

    private func tinted(_ piece: ScoreAttribution.Piece, strongest: Double) -> Markup {
        guard let contribution = piece.contribution, abs(contribution) >= Self.faintest * strongest, strongest > 0
        else {
            return .text(piece.text)
        }
        let tint = abs(contribution) / strongest * PageStyle.strongestTint * 100
        return element(
            "span",
            [
                "class": "\(contribution < 0 ? "c-loss less" : "c-accent") t\(Int(tint.rounded()))",
                "title": Number.typographic(Number.signedDecimal(contribution)),
            ]
        ) { piece.text }
    }

    private func documentIds(_ example: QueryExample) -> [String] {
        var seen: Set<String> = []
        return (example.systemRanking + example.baselineRanking).map(\.id)
            .filter { example.documents[$0] != nil && seen.insert($0).inserted }
    }

    private func texts(_ example: QueryExample, id: String, of examples: ExampleFacts) -> Markup? {
        let ids = documentIds(example)
        guard !ids.isEmpty else { return nil }
        let haveText = ids.contains { example.documents[$0]?.text.isEmpty == false }
        return element("details", ["class": "more"]) {
            element("summary") { "The \(haveText ? "texts" : "ranks") of these \(ids.count) documents" }
            element("dl", ["class": "texts"]) {
                for (index, document) in ids.enumerated() {
                    if let text = example.documents[document] {
                        element("dt", ["id": "\(id)-d\(index + 1)"]) {
                            element("span", ["dir": "auto"]) { text.title.isEmpty ? document : text.title }
                            element("span", ["class": "note"]) {
                                " · "
                                    + Self.places(
                                        of: document, example, title(of: examples.baseline), title(of: examples.system))
                            }
                        }
                        element("dd") {
                            foreignText(text.text, showing: 600)
                            if let omitted = text.omittedCharacters {
                                element("span", ["class": "note"]) {
                                    " (\(Number.count(omitted)) more characters are not in this report)"
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The ranks of a document in both rankings, and the parts of its score.
    private static func places(
        of document: String, _ example: QueryExample, _ baseline: String, _ system: String
    ) -> String {
        let before = example.baselineRanking.first { $0.id == document }
        let after = example.systemRanking.first { $0.id == document }
        func place(_ rank: Int?) -> String { rank.map { "rank \($0)" } ?? "not ranked" }
        var text =
            "\(baseline): \(place(before?.rank ?? after?.otherRank)), \(system): \(place(after?.rank ?? before?.otherRank))"
        if let parts = (after ?? before)?.parts {
            text += ". Parts of its score: \(sum(parts))"
        }
        return text
    }
}

/// The lengths of an example's bars.
///
/// Cosines of one query often lie within a few hundredths of each other, so bars from 0 would all look alike. So each source's part counts from
/// its lowest value among the documents shown. Subtracting the same number from every document of a query does not change their order.
struct ScoreBars {
    private let floor: [SourceName: Double]
    private let longest: Double

    init(_ example: QueryExample) {
        let parts = (example.baselineRanking + example.systemRanking).compactMap(\.parts)
        let floor = Dictionary(parts.flatMap(\.parts).map { ($0.source, $0.value) }, uniquingKeysWith: min)
        self.floor = floor
        let total = floor.values.reduce(0, +)
        longest = parts.map { $0.total - total }.max() ?? 0
    }

    /// The segments of a bar, end to end, as shares of the room. The baseline's ranking has only the black box's.
    func segments(_ entry: RankedDocument, isBaseline: Bool) -> [(source: SourceName, start: Double, end: Double)] {
        guard let parts = entry.parts, longest > 0 else { return [] }
        var segments: [(source: SourceName, start: Double, end: Double)] = []
        for part in parts.parts where !isBaseline || part.source == .blackBox {
            let start = segments.last?.end ?? 0
            let length = (part.value - (floor[part.source] ?? 0)) / longest
            if length > 0 { segments.append((part.source, start, start + length)) }
        }
        return segments
    }
}
