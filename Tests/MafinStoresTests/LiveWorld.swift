import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinPipeline
@testable import MafinStores

/// The servers that the environment names.
enum LiveServers {
    static let postgreSQL = ProcessInfo.processInfo.environment["MAFIN_TEST_POSTGRESQL"]
    static let chroma = ProcessInfo.processInfo.environment["MAFIN_TEST_CHROMA"]
}

/// Documents and queries with vectors of a black box and a local encoder, and texts for BM25; and our own exact search of them.
struct LiveWorld {
    let ids: [String]
    let texts: [String]
    let sources: [any ScoreSource]
    let documents: SourceDocuments
    let queries: SourceQueries
    let weights = SourceWeights([(.blackBox, 0.6), (.local, 0.4), (.bm25, 0.03)])

    init(
        documents count: Int, queries queryCount: Int = 20, dimensions: (blackBox: Int, local: Int) = (96, 32),
        seed: UInt64 = 5
    ) {
        var random = RandomGenerator(seed: seed)
        func number() -> Float { Float(Int64(bitPattern: random.next()) >> 40) / Float(1 << 23) }
        // Topics, so that neighbours are near, as those of real texts are.
        func unit(_ rows: Int, _ columns: Int) -> Matrix {
            let topics = (0..<40).map { _ in (0..<columns).map { _ in number() } }
            var values: [Float] = []
            for _ in 0..<rows {
                let topic = topics[Int(random.next() % 40)]
                let row = topic.map { $0 + 0.7 * number() }
                let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
                values += row.map { $0 / length }
            }
            return Matrix(rows: rows, columns: columns, values: values)
        }
        func text() -> String {
            (0..<12).map { _ in "w\(min(random.next() % 300, random.next() % 300))x" }.joined(separator: " ")
        }
        ids = (0..<count).map { $0 % 7 == 0 ? "dök \"\($0)\" \\ {a,b}" : "d\($0)" }
        texts = (0..<count).map { _ in text() }
        sources = [
            BlackBoxVectorSource(dimension: dimensions.blackBox), LocalVectorSource(dimension: dimensions.local),
            LexicalSource(texts: texts, language: .english),
        ]
        let all = unit(count + queryCount, dimensions.blackBox)
        let own = unit(count + queryCount, dimensions.local)
        func split(_ matrix: Matrix) -> (Matrix, Matrix) {
            (matrix.selecting(rows: 0..<count), matrix.selecting(rows: count..<count + queryCount))
        }
        let (blackBox, local) = (split(all), split(own))
        func rows(_ matrix: Matrix) -> LocalRows {
            do { return try LocalForm.unit.prepare(checking: matrix, ids: []) } catch {
                preconditionFailure("\(error)")
            }
        }
        documents = SourceDocuments(ids: ids, texts: texts, blackBox: blackBox.0, local: rows(local.0))
        queries = SourceQueries(
            texts: (0..<queryCount).map { _ in text() }, blackBox: blackBox.1, local: rows(local.1))
    }

    /// The sets of vectors.
    var schema: StoreSchema {
        StoreSchema(
            parts: sources.map { source in
                (source as? any DenseSource).map {
                    StorePart(name: $0.name.rawValue, face: .dense, dimension: $0.dimension)
                }
                    ?? StorePart(name: "bm25", face: .sparse, dimension: (source as? any SparseSource)?.termCount ?? 0)
            })
    }

    /// Some of the documents, ready to be written.
    /// - Parameter leavingOut: parts that the store has.
    func batch(_ rows: Range<Int>, version: String = "1", leavingOut: Set<String> = []) throws -> StoreBatch {
        let part = documents.selecting(rows: Array(rows))
        var (dense, sparse) = ([Matrix](), [[[SparseTerm]]]())
        for source in sources where !leavingOut.contains(source.name.rawValue) {
            if let source = source as? any DenseSource { dense.append(try source.vectors(of: part)) }
            if let source = source as? any SparseSource { sparse.append(part.texts.map(source.terms(ofDocument:))) }
        }
        return StoreBatch(
            ids: part.ids, hashes: part.ids.map { "\(version)-\($0)" }, dense: dense, sparse: sparse)
    }

    var terms: [StoreTerm] {
        sources.map { StoreTerm(source: $0.name.rawValue, part: $0.name.rawValue, weight: weights[$0.name]) }
    }

    /// A query's vectors, without weights.
    func vectors(of query: Int) throws -> StoreQueryVectors {
        let one = queries.selecting(rows: [query])
        var vectors = StoreQueryVectors()
        for source in sources {
            if let source = source as? any DenseSource {
                vectors.dense[source.name.rawValue] = Array(try source.vectors(of: one).row(0))
            }
            if let source = source as? any SparseSource {
                vectors.sparse[source.name.rawValue] = source.terms(ofQuery: one.texts[0])
            }
        }
        return vectors
    }

    /// Our own exact search: the best documents with their scores.
    func rankings(count: Int, weights: SourceWeights? = nil) throws -> [[(id: String, score: Float)]] {
        let index = try SourceIndex(sources, documents: documents)
        let found = try index.rankings(of: index.queries(queries), weights: weights ?? self.weights, count: count)
        return (0..<found.count).map { row in found[row].map { (ids[$0.index], $0.score) } }
    }
}

/// Whether a store's ranking is ours. Two documents may change places only if their scores are equal but for rounding.
func expectEqualRankings(
    _ found: [(id: String, score: Float)], _ expected: [(id: String, score: Float)], tolerance: Float = 2e-5,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    guard let last = expected.last else { return }
    let scores = Dictionary(expected.map { ($0.id, $0.score) }) { first, _ in first }
    for (place, pair) in zip(found, expected).enumerated() {
        let (mine, theirs) = (pair.1, pair.0)
        #expect(
            abs(mine.score - theirs.score) < tolerance, "place \(place): \(theirs) instead of \(mine)",
            sourceLocation: sourceLocation)
        // A document that we have elsewhere, or just beyond the end, must have the same score.
        let own = scores[theirs.id] ?? last.score
        #expect(
            abs(own - theirs.score) < tolerance, "place \(place): \(theirs) instead of \(mine)",
            sourceLocation: sourceLocation)
    }
}
