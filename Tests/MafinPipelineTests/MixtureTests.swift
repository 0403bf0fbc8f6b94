import Foundation
import MafinBlackBox
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinMethod
@testable import MafinPipeline

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

/// The two layouts with one λ.
private func mixtures(lambda: Float) -> [Mixture] {
    Mixture.Layout.allCases.map { Mixture(MixtureWeights(lambda: lambda), layout: $0) }
}

private func normForm(_ factor: Float) -> Mixture { Mixture(normForm: factor, trainedWith: .paper) }

@Suite struct MixtureTests {
    let queries = (blackBox: random(7, 48, seed: 1), local: random(7, 33, seed: 2))
    let documents = (blackBox: random(29, 48, seed: 3), local: random(29, 33, seed: 4))

    private func joinedScores(_ mixture: Mixture) throws -> Matrix {
        Matrix.multiply(
            try mixture.join(blackBox: queries.blackBox, local: queries.local, as: .query),
            transposed: try mixture.join(blackBox: documents.blackBox, local: documents.local, as: .document))
    }

    @Test(arguments: [0, 0.05, 0.3, 0.5, 0.95, 1] as [Float])
    func innerProductIsTheMixedScore(lambda: Float) throws {
        for mixture in mixtures(lambda: lambda) {
            let scores = try joinedScores(mixture)
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
        let scores = try joinedScores(normForm(factor))
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
        for (mixture, query, document) in [
            (mixtures(lambda: 0.3)[0], (0.7 * 0.7 + 0.3 * 0.3).squareRoot(), 2.0.squareRoot()),
            (mixtures(lambda: 0)[0], 1, 2.0.squareRoot()), (mixtures(lambda: 0.3)[1], 1, 1), (normForm(0.7), 1, 1),
        ] {
            for (role, length) in [(TextRole.query, query), (.document, document)] {
                let joined = try mixture.join(blackBox: queries.blackBox, local: queries.local, as: role)
                #expect(joined.columns == 81)
                for norm in joined.normalizedRows().norms { #expect(abs(Double(norm) - length) < 1e-6) }
            }
        }
    }

    /// Each row has its own norm, independent of the other rows: a shorter last batch gives the same vectors.
    @Test func aShorterLastBatchGivesTheSameVectors() throws {
        let mixture = Mixture(MixtureWeights(lambda: 0.5), layout: .symmetric)
        let whole = try mixture.join(blackBox: documents.blackBox, local: documents.local, as: .document)
        for batch in [0..<16, 16..<29, 28..<29] {
            let part = try mixture.join(
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

        #expect(MixtureWeights(lambda: 0).mix(blackBox: blackBox, local: local) == blackBox)
        #expect(MixtureWeights(lambda: 1).mix(blackBox: blackBox, local: local) == local)
        let down = Matrix(rows: 7, columns: 29, repeating: .nan)
        #expect(MixtureWeights(lambda: 1).mix(blackBox: down, local: local) == local)
        #expect(MixtureWeights(lambda: 1).mix(blackBox: nil, local: local) == local)
        for (lambda, alone) in [(Float(0), blackBox), (1, local)] {
            for mixture in mixtures(lambda: lambda) {
                let joined = Matrix.multiply(
                    try mixture.join(blackBox: blackBoxQueries, local: localQueries, as: .query),
                    transposed: try mixture.join(blackBox: blackBoxDocuments, local: localDocuments, as: .document))
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
        let mixed = MixtureWeights(lambda: 0.3).mix(blackBox: blackBox, local: local)
        for index in mixed.values.indices {
            #expect(abs(mixed.values[index] - (0.7 * blackBox.values[index] + 0.3 * local.values[index])) < 1e-6)
        }
    }

    @Test func queriesWithoutTheBlackBoxRankAsTheLocalEncoder() throws {
        let local = Matrix.multiply(
            try UnitRows.make(queries.local, source: .local),
            transposed: try UnitRows.make(documents.local, source: .local))
        for mixture in mixtures(lambda: 0.4) {
            let sources = CollectionTraining.pair(blackBox: 48, local: 33, form: .unit)
            let joined = Matrix.multiply(
                try mixture.join(SourceQueries(blackBox: nil, local: queries.local, form: .unit), of: sources),
                transposed: try mixture.join(blackBox: documents.blackBox, local: documents.local, as: .document))
            for query in 0..<7 { #expect(ranking(joined.row(query)) == ranking(local.row(query))) }
        }
    }

    /// In the norm form a longer local vector of a document has more weight. Of the cosines .80 and .75 the lower one
    /// ranks first if its vector is ten times as long.
    @Test func localOnlyInTheNormFormWeighsLengths() throws {
        let mixture = normForm(1)
        let query = Matrix(rows: 1, columns: 2, values: [1, 0])
        let documents: [(cosine: Float, length: Float)] = [(0.80, 1), (0.75, 10)]
        let local = Matrix(
            rows: 2, columns: 2,
            values: documents.flatMap { document -> [Float] in
                let sine = (1 - document.cosine * document.cosine).squareRoot()
                return [document.cosine * document.length, sine * document.length]
            })
        let blackBox = Matrix(rows: 2, columns: 1, values: [1, 1])
        let index = try sourceIndex(mixture, blackBox: blackBox, local: local)
        let rows = try index.queries(SourceQueries(blackBox: nil, local: query, form: mixture.localForm))
        let found = try index.rankings(of: rows, weights: SourceWeights([(.local, 1)]), count: 2)
        #expect(found[0].map(\.index) == [1, 0])
    }

    private func sourceIndex(_ mixture: Mixture, blackBox: Matrix, local: Matrix) throws -> SourceIndex {
        try SourceIndex(
            CollectionTraining.pair(blackBox: blackBox.columns, local: local.columns, form: mixture.localForm),
            documents: SourceDocuments(blackBox: blackBox, local: local, form: mixture.localForm))
    }

    /// A search's scores are inner products of joined vectors, and each pair's parts add up to them bit for bit.
    @Test func aSearchRanksAsJoinedVectorsDo() throws {
        for mixture in mixtures(lambda: 0.3) + [normForm(0.4)] {
            let index = try sourceIndex(mixture, blackBox: documents.blackBox, local: documents.local)
            let rows = try index.queries(
                SourceQueries(blackBox: queries.blackBox, local: queries.local, form: mixture.localForm))
            let expected = try joinedScores(mixture)
            let found = try index.rankings(of: rows, weights: mixture.rankingWeights, count: 29)
            for query in 0..<7 {
                let parts = index.parts(
                    of: found[query].map(\.index), query: query, of: rows, weights: mixture.rankingWeights)
                for (place, entry) in found[query].enumerated() {
                    #expect(abs(entry.score - expected[query, entry.index]) < 1e-6)
                    #expect(parts[place, 0] + parts[place, 1] == entry.score)
                }
            }
            guard mixture.localForm == .unit else { continue }
            let own = try index.rankings(by: .blackBox, of: rows, count: 29)
            let cosines = (0..<29).map { cosine(queries.blackBox.row(2), documents.blackBox.row($0)) }
            #expect(own[2].map(\.index) == cosines.indices.sorted { cosines[$0] > cosines[$1] })
            let places = index.places(of: own[2].map(\.index), by: .blackBox, query: 2, of: rows) { () throws(Never) in
            }
            #expect(places == Array(1...29))
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
            try mixtures(lambda: 0.5)[1].join(blackBox: zero, local: queries.local, as: .query, ids: ids)
        }
        for bad in [Float.nan, .infinity, -.infinity] {
            var broken = queries.local
            broken[2, 7] = bad
            for mixture in [mixtures(lambda: 0.5)[0], normForm(1)] {
                #expect(throws: CombinationError.notFinite(source: .local, row: 2, column: 7, id: nil)) {
                    try mixture.join(blackBox: queries.blackBox, local: broken, as: .query)
                }
            }
        }
        #expect(throws: CombinationError.rowCount(blackBox: 29, local: 7)) {
            try mixtures(lambda: 0.5)[1].join(blackBox: documents.blackBox, local: queries.local, as: .query)
        }
        #expect(throws: CombinationError.identifierCount(rows: 7, ids: 6)) {
            try mixtures(lambda: 0.5)[1].join(
                blackBox: queries.blackBox, local: queries.local, as: .query, ids: ids.dropLast())
        }
        #expect(
            CombinationError.zeroVector(source: .blackBox, row: 4, id: "q4").description
                == "the black-box vector in row 4 ('q4') is all zeros: it has no direction to compare")
    }

    @Test func onlyTheWeightsAreStored() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let weights = MixtureWeights(blackBox: 15, local: 5)
        for (mixture, text) in [
            (
                Mixture(
                    weights, layout: .symmetric, origin: .calibrated, lambdaStandardError: 0.5, fittedQueries: 40),
                #"{"fittedQueries":40,"lambdaStandardError":0.5,"layout":"symmetric","origin":"calibrated","weights":[{"source":"black-box","weight":15},{"source":"local","weight":5}]}"#
            ),
            (
                Mixture(weights),
                #"{"layout":"query-sided","origin":"fixed","weights":[{"source":"black-box","weight":15},{"source":"local","weight":5}]}"#
            ),
            (
                Mixture(normForm: 2, trainedWith: weights),
                #"{"localFactor":2,"origin":"calibrated","weights":[{"source":"black-box","weight":15},{"source":"local","weight":5}]}"#
            ),
        ] {
            let data = try encoder.encode(mixture)
            #expect(String(decoding: data, as: UTF8.self) == text)
            #expect(try JSONDecoder().decode(Mixture.self, from: data) == mixture)
        }
        for text in [
            #"{"layout":"other","origin":"fixed","weights":{"blackBox":15,"local":5}}"#,
            #"{"layout":"symmetric","origin":"fixed","weights":{"blackBox":-1,"local":5}}"#,
            #"{"layout":"symmetric","origin":"fixed","weights":{"blackBox":0,"local":0}}"#,
            #"{"localFactor":0,"origin":"calibrated","weights":{"blackBox":15,"local":5}}"#,
        ] {
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(Mixture.self, from: Data(text.utf8)) }
        }
    }

    /// Mixtures of format 1, which also stored λ.
    @Test func format1IsRead() throws {
        func read(_ combination: String, form: String) throws -> Mixture {
            let text = """
                {"combination": \(combination), "lambda": 0.25, "lambdaForm": "\(form)", "lambdaStandardError": 0.02,
                 "scale": {"blackBox": 15, "local": 5}, "temperature": 0.05}
                """
            return try JSONDecoder().decode(Mixture.self, from: Data(text.utf8))
        }
        let weights = MixtureWeights(blackBox: 15, local: 5)
        #expect(
            try read(#"{"form": "query-sided", "lambda": 0.25}"#, form: "calibrated")
                == Mixture(weights, origin: .calibrated, lambdaStandardError: 0.02))
        let symmetric = try read(#"{"form": "symmetric", "lambda": 0.25}"#, form: "fixed")
        #expect(symmetric.layout == .symmetric && symmetric.origin == .fixed && symmetric.lambda == 0.25)
        let norm = try read(#"{"form": "norm", "localFactor": 0.7}"#, form: "norm")
        #expect(norm == Mixture(normForm: 0.7, trainedWith: weights) && norm.lambda == nil)
        #expect(throws: DecodingError.self) { try read(#"{"form": "symmetric", "lambda": 0.5}"#, form: "fixed") }
        #expect(throws: DecodingError.self) { try read(#"{"form": "other", "lambda": 0.25}"#, form: "fixed") }
    }

    @Test func weightsAreLambdaAndTemperature() {
        let weights = MixtureWeights(lambda: 0.25, temperature: 0.04)
        #expect(abs(weights.blackBox - 18.75) < 1e-5 && abs(weights.local - 6.25) < 1e-5)
        #expect(abs(weights.lambda - 0.25) < 1e-6 && abs(weights.temperature - 0.04) < 1e-7)
        #expect(MixtureWeights.paper.lambda == 0.5 && abs(MixtureWeights.paper.temperature - 0.05) < 1e-8)
        let without = MixtureWeights(blackBox: 3, local: 0)
        #expect(
            without.mix(
                blackBox: Matrix(rows: 1, columns: 1, values: [2]), local: Matrix(rows: 1, columns: 1, values: [.nan])
            ).values == [6])
    }
}
