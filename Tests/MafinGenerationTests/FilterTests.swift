import Foundation
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinGeneration

@Suite struct FilterTests {
    private static func query(_ text: String, _ passage: Int = 0, _ origin: GeneratedQuery.Origin = .question)
        -> GeneratedQuery
    {
        GeneratedQuery(id: "g\(passage + 1)-\(text.count)", text: text, passage: passage, origin: origin)
    }

    private static let tower = Document(
        id: "d", title: "Tower",
        text:
            "The tower of the old harbour was built in 1894 by the brothers Lund and is forty metres tall. Visitors climb 212 steps."
    )

    @Test(arguments: [
        ("How tall is the harbour tower?", nil), ("harbour tower height", nil),
        ("Who built it according to the passage?", RejectionReason.deictic),
        ("What does this document say about towers?", .deictic), ("Which article governs towers?", nil),
        ("how do I sign the document", nil),
        ("What year is mentioned above?", .deictic), ("Wie hoch ist der Turm laut Text?", .deictic),
        ("Was steht in diesem Abschnitt?", .deictic),
        ("Wie hoch ist der Hafenturm?", nil), ("Selon le texte, qui a construit la tour ?", .deictic),
        ("Que dit cet article sur la tour", .deictic),
        ("¿Según el texto, quién la construyó?", .deictic), ("Secondo il brano, chi la costruì?", .deictic),
        ("Segundo o texto, quem construiu?", .deictic),
        ("Wat staat er in deze tekst over de toren?", .deictic), ("Что сказано в тексте о башне?", .deictic),
        ("Welcher Turm wird im vorliegenden Text beschrieben?", .deictic),
        ("Wer ist laut dem Artikel der Baumeister?", .deictic),
        ("Secondo il documento, quanto è alta la torre?", .deictic),
        ("Segundo o artigo, que altura tem a torre?", .deictic),
        ("Wie is volgens de auteur de bouwer?", .deictic), ("Кто построил башню согласно статье?", .deictic),
        ("本文によると塔はいつ建てられましたか", .deictic), ("文章中提到的灯塔有多高", .deictic), ("이 문서에 따르면 탑은 언제 지어졌습니까", .deictic),
        ("Quelle est la hauteur de la tour du port ?", nil), ("¿Cuánto mide la torre del puerto?", nil),
        ("Quanto è alta la torre del porto?", nil), ("Hoe hoog is de toren van de haven?", nil),
        ("Qual é a altura da torre do porto?", nil), ("Какова высота башни в гавани?", nil), ("항구의 탑은 얼마나 높습니까", nil),
        ("この文章によると塔の高さは何メートルですか", .deictic),
        ("根据上文，塔有多高？", .deictic), ("港の塔の高さは何メートルですか", nil), ("tower", .length), ("?", .length), ("a b", .length),
        ("灯塔有多高", nil), (String(repeating: "word ", count: 60), .length),
        ("built in 1894 by the brothers Lund", .copied),
        ("was the tower of the old harbour was built in 1894 by whom", .copied),
        ("Did the brothers Lund build a tower", nil),
    ])
    func textDecides(text: String, reason: RejectionReason?) {
        var filtering = QueryFiltering([Self.query(text)])
        filtering.byText([Self.tower])
        #expect(filtering.rejected.first?.reason == reason, "\(filtering.rejected.first?.detail ?? "kept")")
        #expect(filtering.kept.count + filtering.rejected.count == 1)
    }

    @Test func everyKnownLanguageHasPointingPhrases() {
        for language in Language.allCases where language != .other {
            #expect(DeicticFilter.byLanguage[language]?.isEmpty == false, "\(language)")
        }
    }

    @Test func piecesOfThePassageMayBeCopies() {
        var filtering = QueryFiltering([Self.query("was built in 1894 by the brothers Lund", 0, .sentence)])
        filtering.byText([Self.tower])
        #expect(filtering.rejected.isEmpty)
    }

    @Test func longestRunIsThatOfTheNaiveSearch() {
        var random = RandomGenerator(seed: 4)
        for _ in 0..<200 {
            let a = (0..<random.index(below: 12)).map { _ in random.index(below: 3) }
            let b = (0..<random.index(below: 20)).map { _ in random.index(below: 4) }
            var longest = 0
            for start in 0...a.count {
                for end in start...a.count {
                    let part = Array(a[start..<end])
                    let stands = part.isEmpty || b.indices.contains { b[$0...].starts(with: part) }
                    if stands { longest = max(longest, part.count) }
                }
            }
            #expect(CopyFilter.longestCommonRun(a, b) == longest, "\(a) \(b)")
        }
    }

    @Test func theFirstOfEqualQueriesIsKept() {
        var filtering = QueryFiltering([
            Self.query("How tall is the harbour tower?", 0), Self.query("how tall is the harbour tower", 1),
            Self.query("Who built the harbour tower, and when?", 2), Self.query("How tall is the harbour tower??", 3),
        ])
        filtering.byDuplicates(known: ["who built the harbour tower and when"])
        #expect(filtering.kept.map(\.passage) == [0])
        #expect(filtering.rejections == [.duplicate: 3])
    }

    /// Against ranks found by sorting all scores.
    @Test func roundTripKeepsWhatFindsItsPassage() throws {
        var random = RandomGenerator(seed: 9)
        func vectors(_ rows: Int) -> Matrix {
            Matrix(rows: rows, columns: 8, values: (0..<rows * 8).map { _ in random.normal() }).normalizedRows().matrix
        }
        let (documents, queries) = (vectors(30), vectors(60))
        // Document 29 has the text of document 3. Document 30 is empty and has no vector.
        let all = (0..<31).map { Document(id: "d\($0)", text: $0 == 30 ? "" : $0 == 29 ? "text 3" : "text \($0)") }
        let made = (0..<60).map { Self.query("query \($0)", $0 % 29) }
        var filtering = QueryFiltering(made)
        try filtering.byRoundTrip(
            documents: documents, queries: queries, texts: Array(all.prefix(30)), rowOfPassage: Array(0..<31), count: 5)
        let expected = made.indices.filter { index in
            let scores = (0..<30).map { row in
                zip(queries.row(index), documents.row(row)).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            }
            func best(_ row: Int) -> Float { [3, 29].contains(row) ? max(scores[3], scores[29]) : scores[row] }
            let own = best(index % 29)
            return (0..<29).count { best($0) > own } < 5
        }
        #expect(filtering.kept.map(\.text) == expected.map { made[$0].text })
        #expect(filtering.rejections == [.roundTrip: 60 - expected.count])
    }
}
