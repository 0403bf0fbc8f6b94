import Foundation
import Testing

@testable import MafinMethod

@Suite struct SourceWeightsTests {
    private let weights = SourceWeights([(.blackBox, 12), (.local, 4), (.bm25, 2)])

    @Test func lambdaChangesThePairAlone() {
        #expect(weights.lambda == 0.25)
        let changed = weights.with(lambda: 0.75)
        #expect(abs(changed[.blackBox] - 4) < 1e-5 && abs(changed[.local] - 12) < 1e-5 && changed[.bm25] == 2)
        #expect(SourceWeights([(.bm25, 1)]).lambda == nil)
    }

    @Test func weightsInTheUnitOfThePair() {
        let scaled = weights.scaled(toUnitSumOf: [.blackBox, .local])
        #expect(scaled == SourceWeights([(.blackBox, 0.75), (.local, 0.25), (.bm25, 0.125)]))
        let alone = SourceWeights([(.blackBox, 0), (.local, 0), (.bm25, 8)]).scaled(toUnitSumOf: [.blackBox, .local])
        #expect(alone[.bm25] == 1)
        // Exactly 1−λ and λ, as the formula of two sources has them.
        let pair = MixtureWeights(blackBox: 30.3, local: 12.7)
        let shares = MixtureWeights(lambda: pair.lambda)
        #expect(SourceWeights(pair).scaled(toUnitSumOf: [.blackBox, .local]) == SourceWeights(shares))
    }

    @Test func onlyValidWeightsReplaceOthers() {
        #expect(weights.replacing([.bm25: 0])?[.bm25] == 0)
        #expect(weights.replacing([.bm25: -1]) == nil && weights.replacing([.bm25: .nan]) == nil)
        #expect(weights.replacing([SourceName(rawValue: "other"): 1]) == nil)
        #expect(weights.replacing([.blackBox: 0, .local: 0, .bm25: 0]) == nil)
    }

    @Test func bothFormsAreRead() throws {
        let text = #"[{"source":"black-box","weight":12},{"source":"local","weight":4},{"source":"bm25","weight":2}]"#
        #expect(try JSONDecoder().decode(SourceWeights.self, from: Data(text.utf8)) == weights)
        #expect(try JSONDecoder().decode(SourceWeights.self, from: JSONEncoder().encode(weights)) == weights)
        let old = try JSONDecoder().decode(SourceWeights.self, from: Data(#"{"blackBox":10,"local":5}"#.utf8))
        #expect(old == SourceWeights(MixtureWeights(blackBox: 10, local: 5)))
        for bad in [
            #"[{"source":"a","weight":-1}]"#, #"[{"source":"a","weight":0}]"#, "[]",
            #"[{"source":"a","weight":1},{"source":"a","weight":1}]"#, #"{"blackBox":-1,"local":5}"#,
        ] {
            #expect(throws: DecodingError.self, "\(bad)") {
                try JSONDecoder().decode(SourceWeights.self, from: Data(bad.utf8))
            }
        }
    }

    @Test func partsOfBothFormsAreRead() throws {
        let parts = ScoreParts([.init(source: .blackBox, value: 0.5), .init(source: .bm25, value: 0.25)])
        #expect(try JSONDecoder().decode(ScoreParts.self, from: JSONEncoder().encode(parts)) == parts)
        #expect(parts.total == 0.75 && parts[.bm25] == 0.25 && parts[.local] == 0)
        let old = try JSONDecoder().decode(ScoreParts.self, from: Data(#"{"blackBox":0.5,"local":0.25}"#.utf8))
        #expect(old == ScoreParts(blackBox: 0.5, local: 0.25))
    }
}
