import Foundation
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinMethod

private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var generator = RandomGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
}

/// Cosines in double precision, from their definition.
private func cosine(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
    func inner(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    return inner(a, b) / (inner(a, a) * inner(b, b)).squareRoot()
}

/// Columns of a row of scores in the order of the ranking, ties by column.
private func ranking(_ scores: ArraySlice<Float>) -> [Int] {
    let scores = Array(scores)
    return scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
}

@Suite struct CombinationTests {
    let queries = (blackBox: random(7, 48, seed: 1), local: random(7, 33, seed: 2))
    let documents = (blackBox: random(29, 48, seed: 3), local: random(29, 33, seed: 4))

    private func joinedScores(_ combination: Combination) throws -> Matrix {
        Matrix.multiply(
            try combination.join(blackBox: queries.blackBox, local: queries.local, as: .query),
            transposed: try combination.join(blackBox: documents.blackBox, local: documents.local, as: .document))
    }

    @Test(arguments: [0, 0.05, 0.3, 0.5, 0.95, 1] as [Float])
    func innerProductIsTheMixedScore(lambda: Float) throws {
        for combination in [Combination.symmetric(lambda: lambda), .querySided(lambda: lambda)] {
            let scores = try joinedScores(combination)
            for query in 0..<7 {
                for document in 0..<29 {
                    let expected =
                        Double(1 - lambda) * cosine(queries.blackBox.row(query), documents.blackBox.row(document))
                        + Double(lambda) * cosine(queries.local.row(query), documents.local.row(document))
                    #expect(abs(Double(scores[query, document]) - expected) < 1e-6)
                }
            }
        }
    }

    @Test func normFormWeighsEachTextByItsLength() throws {
        let factor: Float = 0.4
        let scores = try joinedScores(.norm(localFactor: factor))
        func weight(_ row: ArraySlice<Float>) -> Double {
            (1 + Double(factor * factor) * row.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
        }
        for query in 0..<7 {
            for document in 0..<29 {
                let (q, d) = (queries.local.row(query), documents.local.row(document))
                let inner = zip(q, d).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                let blackBox = cosine(queries.blackBox.row(query), documents.blackBox.row(document))
                let expected = (blackBox + Double(factor * factor) * inner) / (weight(q) * weight(d))
                #expect(abs(Double(scores[query, document]) - expected) < 1e-6)
            }
        }
    }

    @Test func lengthsAreAsStated() throws {
        for combination in [
            Combination.symmetric(lambda: 0.3), .querySided(lambda: 0.3), .norm(localFactor: 0.7),
            .querySided(lambda: 0),
        ] {
            for side in [RetrievalSide.query, .document] {
                let joined = try combination.join(blackBox: queries.blackBox, local: queries.local, as: side)
                #expect(joined.columns == 81)
                for norm in joined.normalizedRows().norms {
                    #expect(abs(norm - combination.length(of: side)) < 1e-6)
                }
            }
        }
        #expect(Combination.querySided(lambda: 0.3).length(of: .document) == Float(2).squareRoot())
    }

    /// Each row has its own norm, whatever rows are beside it: a ragged last batch gives the same vectors.
    @Test func aRaggedLastBatchChangesNothing() throws {
        let combination = Combination.symmetric(lambda: 0.5)
        let whole = try combination.join(blackBox: documents.blackBox, local: documents.local, as: .document)
        for batch in [0..<16, 16..<29, 28..<29] {
            let part = try combination.join(
                blackBox: documents.blackBox.selecting(rows: batch), local: documents.local.selecting(rows: batch),
                as: .document)
            #expect(part == whole.selecting(rows: batch))
        }
    }

    @Test func lambdaZeroIsTheBlackBoxAndOneTheLocalRanking() throws {
        // Unit vectors as an API answers them, with twins, so that there are ties.
        var blackBoxDocuments = documents.blackBox.normalizedRows().matrix
        var localDocuments = documents.local.normalizedRows().matrix
        for column in 0..<48 { blackBoxDocuments[5, column] = blackBoxDocuments[20, column] }
        for column in 0..<33 { localDocuments[11, column] = localDocuments[3, column] }
        let (blackBoxQueries, localQueries) = (
            queries.blackBox.normalizedRows().matrix, queries.local.normalizedRows().matrix
        )
        let blackBox = Matrix.multiply(blackBoxQueries, transposed: blackBoxDocuments)
        let local = Matrix.multiply(localQueries, transposed: localDocuments)

        #expect(MixedScores.mix(blackBox: blackBox, local: local, lambda: 0) == blackBox)
        #expect(MixedScores.mix(blackBox: blackBox, local: local, lambda: 1) == local)
        let down = Matrix(rows: 7, columns: 29, repeating: .nan)
        #expect(MixedScores.mix(blackBox: down, local: local, lambda: 1) == local)
        for (lambda, alone) in [(Float(0), blackBox), (1, local)] {
            for combination in [Combination.symmetric(lambda: lambda), .querySided(lambda: lambda)] {
                let joined = Matrix.multiply(
                    try combination.join(blackBox: blackBoxQueries, local: localQueries, as: .query),
                    transposed: try combination.join(blackBox: blackBoxDocuments, local: localDocuments, as: .document))
                for query in 0..<7 {
                    #expect(ranking(joined.row(query)) == ranking(alone.row(query)))
                    if lambda == 0 { #expect(joined[query, 5] == joined[query, 20]) }
                    if lambda == 1 { #expect(joined[query, 11] == joined[query, 3]) }
                }
                // The same numbers, not just the same order.
                #expect(joined == alone)
            }
        }
    }

    @Test func mixedScoresAreTheMixture() {
        let (blackBox, local) = (random(5, 31, seed: 8), random(5, 31, seed: 9))
        let mixed = MixedScores.mix(blackBox: blackBox, local: local, lambda: 0.3)
        for index in mixed.values.indices {
            #expect(abs(mixed.values[index] - (0.7 * blackBox.values[index] + 0.3 * local.values[index])) < 1e-6)
        }
    }

    @Test func queriesWithoutTheBlackBoxRankAsTheLocalHalf() throws {
        let local = Matrix.multiply(
            try UnitRows.make(queries.local, source: .local),
            transposed: try UnitRows.make(documents.local, source: .local))
        for combination in [Combination.symmetric(lambda: 0.4), .querySided(lambda: 0.4)] {
            let joined = Matrix.multiply(
                try combination.joinQueries(localOnly: queries.local, blackBoxDimension: 48),
                transposed: try combination.join(blackBox: documents.blackBox, local: documents.local, as: .document))
            for query in 0..<7 { #expect(ranking(joined.row(query)) == ranking(local.row(query))) }
        }
    }

    @Test func unitRowsStayBitForBit() throws {
        let unit = try UnitRows.make(documents.blackBox, source: .blackBox)
        #expect(try UnitRows.make(unit, source: .blackBox) == unit)
        let long = try UnitRows.make(Matrix(rows: 1, columns: 2, values: [3e-30, 4e-30]), source: .local)
        #expect(abs(long[0, 0] - 0.6) < 1e-6 && abs(long[0, 1] - 0.8) < 1e-6)
    }

    @Test func badVectorsAreNamed() throws {
        var zero = queries.blackBox
        for column in 0..<48 { zero[4, column] = 0 }
        let ids = (0..<7).map { "q\($0)" }
        #expect(throws: CombinationError.zeroVector(source: .blackBox, row: 4, id: "q4")) {
            try Combination.symmetric(lambda: 0.5).join(blackBox: zero, local: queries.local, as: .query, ids: ids)
        }
        for bad in [Float.nan, .infinity, -.infinity] {
            var broken = queries.local
            broken[2, 7] = bad
            for combination in [Combination.querySided(lambda: 0.5), .norm(localFactor: 1)] {
                #expect(throws: CombinationError.notFinite(source: .local, row: 2, column: 7, id: nil)) {
                    try combination.join(blackBox: queries.blackBox, local: broken, as: .query)
                }
            }
        }
        #expect(throws: CombinationError.rowCount(blackBox: 29, local: 7)) {
            try Combination.symmetric(lambda: 0.5).join(blackBox: documents.blackBox, local: queries.local, as: .query)
        }
        #expect(throws: CombinationError.identifierCount(rows: 7, ids: 6)) {
            try Combination.symmetric(lambda: 0.5).join(
                blackBox: queries.blackBox, local: queries.local, as: .query, ids: ids.dropLast())
        }
        #expect(
            CombinationError.zeroVector(source: .blackBox, row: 4, id: "q4").description
                == "the black-box vector in row 4 ('q4') is all zeros: it has no direction to compare")
    }

    @Test func storedAsFormAndNumber() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        for (combination, text) in [
            (Combination.symmetric(lambda: 0.5), #"{"form":"symmetric","lambda":0.5}"#),
            (.querySided(lambda: 0.25), #"{"form":"query-sided","lambda":0.25}"#),
            (.norm(localFactor: 2), #"{"form":"norm","localFactor":2}"#),
        ] {
            let data = try encoder.encode(combination)
            #expect(String(decoding: data, as: UTF8.self) == text)
            #expect(try JSONDecoder().decode(Combination.self, from: data) == combination)
        }
        for text in [
            #"{"form":"symmetric","lambda":1.5}"#, #"{"form":"other","lambda":1}"#, #"{"form":"norm","localFactor":0}"#,
        ] {
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(Combination.self, from: Data(text.utf8))
            }
        }
    }

    @Test func scaleIsLambdaAndTemperature() {
        let scale = MixtureWeights(lambda: 0.25, temperature: 0.04)
        #expect(abs(scale.blackBox - 18.75) < 1e-5 && abs(scale.local - 6.25) < 1e-5)
        #expect(abs(scale.lambda - 0.25) < 1e-6 && abs(scale.temperature - 0.04) < 1e-7)
        #expect(MixtureWeights.paper.lambda == 0.5 && abs(MixtureWeights.paper.temperature - 0.05) < 1e-8)
    }
}
