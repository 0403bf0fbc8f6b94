import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinPipeline

/// Compared with contributions from Python's sentence-transformers, for which words were removed from the text itself.
@Suite("Leave-one-out", .enabled(if: TestModel.isAvailable, "\(TestModel.skipMessage)"))
struct LeaveOneOutTests {
    private struct Golden: Decodable {
        var text: String
        var score: Double
        var pieces: [ScoreAttribution.Piece]
    }

    private static func encoder(prefixes: TextPrefixes? = nil, maximumLength: Int? = nil) throws -> TextEncoder {
        try TextEncoder(
            modelFolder: try #require(TestModel.folder()), prefixes: prefixes, maximumLength: maximumLength)
    }

    private func compare(_ found: ScoreAttribution, _ golden: Golden, weight: Double = 1) {
        #expect(found.pieces.map(\.text) == golden.pieces.map(\.text))
        #expect(abs(found.score - weight * golden.score) < 1e-5)
        for (piece, expected) in zip(found.pieces, golden.pieces) {
            switch (piece.contribution, expected.contribution) {
            case (nil, nil): break
            case (let share?, let expected?):
                #expect(abs(share - weight * expected) < 2e-5, "\(piece.text): \(share), expected \(weight * expected)")
            default: Issue.record("\(piece.text) is a word on one side only")
            }
        }
    }

    @Test("Words of queries and documents, pieces of words left out together")
    func sharesEqualPythons() throws {
        let goldens = try Goldens.read("attribution.json", as: [String: Golden].self)
        let (query, document) = (try #require(goldens["query"]), try #require(goldens["document"]))
        let encoder = try Self.encoder()
        let whole = LeaveOneOut(queryEncoder: encoder, documentEncoder: encoder)
        compare(try whole.query(query.text, document: document.text), query)
        compare(try whole.document(document.text, query: query.text), document)
        let part = LeaveOneOut(queryEncoder: encoder, documentEncoder: encoder, weight: 0.3)
        let attribution = try part.query(query.text, document: document.text)
        compare(attribution, query, weight: 0.3)
        #expect(attribution.side == .query && attribution.method == .leaveOneOut)
    }

    @Test("A prefix is encoded, but is not a piece of the text")
    func prefixesAreNoPieces() throws {
        let encoder = try Self.encoder(prefixes: TextPrefixes(query: "query: ", document: "passage: "))
        let attribution = try LeaveOneOut(queryEncoder: encoder, documentEncoder: encoder)
            .query("blood pressure", document: "salt")
        #expect(attribution.pieces.map(\.text) == ["blood", " ", "pressure"])
        #expect(attribution.pieces.map { $0.contribution != nil } == [true, false, true])
        let plain = try encoder.embed(["query: blood pressure"], prefix: "")
        let other = try encoder.embed(["passage: salt"], prefix: "")
        let score = zip(plain.values, other.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        #expect(abs(attribution.score - score) < 1e-6)
    }

    @Test("Text that the encoder does not read has no contribution, and an empty text has no words")
    func truncation() throws {
        let encoder = try Self.encoder(maximumLength: 5)
        let attribution = LeaveOneOut(queryEncoder: encoder, documentEncoder: encoder)
        let cut = try attribution.document("one two three four five", query: "two")
        #expect(cut.pieces.map(\.text).joined() == "one two three four five")
        #expect(cut.pieces.filter { $0.contribution != nil }.map(\.text) == ["one", "two", "three"])
        #expect(try attribution.query("", document: "two").pieces.isEmpty)
    }
}
