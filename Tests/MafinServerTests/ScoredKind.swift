import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

@testable import MafinPipeline

/// A source of each kind for the toy's documents, and its score of a query and a document by the formula of its description, in double precision.
struct ScoredKind {
    var source: any ScoreSource
    var score: (_ query: String, _ document: Document) throws -> Double

    private static func box(_ text: String, _ role: TextRole) -> [Double] {
        ToyBlackBox.vector(text, role).map(Double.init)
    }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    private static func unit(_ row: [Double]) -> [Double] {
        let length = dot(row, row).squareRoot()
        return row.map { $0 / length }
    }

    static func blackBox() -> ScoredKind {
        ScoredKind(source: BlackBoxVectorSource(dimension: ToyBlackBox.dimension)) {
            dot(box($0, .query), box($1.textForEncoding, .document))
        }
    }

    /// Needs the encoders of an artefact.
    static func local(_ model: ArtefactModel) -> ScoredKind {
        ScoredKind(source: LocalVectorSource(dimension: ToyArtefact.localDimension)) { query, document in
            let mine = try model.localVectors(of: [query], as: .query).values.map(Double.init)
            let theirs = try model.localVectors(of: [document.textForEncoding], as: .document).values.map(Double.init)
            return dot(unit(mine), unit(theirs))
        }
    }

    static func bm25() -> ScoredKind {
        let texts = ToyArtefact.documents.map(\.textForEncoding)
        let statistics = LexicalStatistics(of: InvertedIndex(texts: texts))
        let source = LexicalSource(BM25Weighting(statistics))
        let lengths = texts.map { TextAnalyzer().terms(in: $0).count }
        let mean = Double(lengths.reduce(0, +)) / Double(texts.count)
        func idf(_ term: String) -> Double {
            let (count, documents) = (Double(texts.count), Double(statistics.documentFrequency(of: term)))
            return log(1 + (count - documents + 0.5) / (documents + 0.5))
        }
        return ScoredKind(source: source) { query, document in
            let asked = TextAnalyzer().terms(in: query).filter { statistics.place(of: $0) != nil }
            let terms = TextAnalyzer().terms(in: document.textForEncoding)
            let mass = asked.reduce(0) { $0 + idf($1) }
            guard mass > 0 else { return 0 }
            // Robertson's formula with k1 = 1.5 and b = 0.75, without the constant factor k1 + 1.
            let sum = asked.reduce(0.0) { sum, term in
                let frequency = Double(terms.count { $0 == term })
                return sum + idf(term) * frequency
                    / (frequency + 1.5 * (1 - 0.75 + 0.75 * Double(terms.count) / mean))
            }
            return sum / mass.squareRoot()
        }
    }

    static func adapter(mapsDocuments: Bool) -> ScoredKind {
        var random = RandomGenerator(seed: 3)
        var adapter = Adapter(shape: .linear, dimension: ToyBlackBox.dimension, seed: 1)
        adapter.weights = adapter.weights.map { _ in 0.2 * random.normal() }
        let weights = adapter.weights.map(Double.init)
        func mapped(_ row: [Double]) -> [Double] {
            unit(row.indices.map { line in row[line] + dot(Array(weights[line * 16..<(line + 1) * 16]), row) })
        }
        let name = SourceName(rawValue: mapsDocuments ? "adapter-both" : "adapter-query")
        return ScoredKind(source: AdapterSource(adapter, mapsDocuments: mapsDocuments, name: name)) { query, document in
            let theirs = box(document.textForEncoding, .document)
            return dot(mapped(box(query, .query)), mapsDocuments ? mapped(theirs) : theirs)
        }
    }

    static func moved() -> ScoredKind {
        var random = RandomGenerator(seed: 5)
        let ids = ["d3", "d7", "d40"]
        let rows = ids.map { _ in (0..<ToyBlackBox.dimension).map { _ in random.normal() } }
        let source = MovedDocuments(
            ids: ids, vectors: Matrix(rows: 3, columns: ToyBlackBox.dimension, values: rows.flatMap(\.self)),
            name: SourceName(rawValue: "nudge-n"))
        return ScoredKind(source: source) { query, document in
            let place = ids.firstIndex(of: document.id)
            return dot(
                box(query, .query), place.map { rows[$0].map(Double.init) } ?? box(document.textForEncoding, .document))
        }
    }

    static func memory() -> ScoredKind {
        let queries = ["w3 w4", "w9", "f1 f2"]
        let answers = [["d3"], ["d9", "d10"], ["d40", "none"]]
        let known = QueryMemory.Known(
            queries: Matrix(
                rows: 3, columns: ToyBlackBox.dimension, values: queries.flatMap { ToyBlackBox.vector($0, .query) }),
            answers: answers)
        let memory = QueryMemory(
            known, bandwidth: 0.5, sharing: 0.5, reach: 0.1, name: SourceName(rawValue: "query-memory"))
        return ScoredKind(source: memory) { query, document in
            func sum(_ id: String) -> Double {
                zip(queries, answers).reduce(0.0) { sum, entry in
                    guard entry.1.contains(id) else { return sum }
                    let similarity = dot(box(query, .query), box(entry.0, .query))
                    return sum + exp((similarity - 1) / 0.5) / Double(entry.1.count).squareRoot()
                }
            }
            let norm = answers.joined().reduce(0) { $0 + sum($1) * sum($1) }.squareRoot()
            return sum(document.id) / (norm + exp((0.1 - 1) / 0.5))
        }
    }
}
