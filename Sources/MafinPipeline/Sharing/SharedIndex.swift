import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval
import Synchronization

/// Documents that a ``SharedModel`` ranks, for many threads at once: an index that `mafin index` wrote, or texts in memory.
package final class SharedIndex: Sendable {
    /// What ranks.
    package let model: SharedModel
    /// Number of documents.
    package let count: Int

    private let texts: Texts
    private let held: Mutex<SourceIndex>

    private enum Texts: Sendable {
        case folder(SearchIndex)
        case memory(ids: [String], texts: [String], rows: [String: Int])
    }

    /// From this number on, vectors get an approximation in memory with which single searches read less. It changes no result.
    private static let approximatedCount = 10_000

    /// Opens an index that `mafin index` wrote.
    /// - Throws: ``IndexError``, also for an index of other vectors; ``SharedModelError`` for a released encoder; file errors.
    package convenience init(_ model: SharedModel, readingFrom folder: URL) throws {
        guard let artefact = model.artefact else {
            throw SharedModelError.unsupported(
                path: model.folder.path, reason: "is an encoder alone; an index belongs to an artefact")
        }
        let search = try SearchIndex(readingFrom: folder)
        try search.require(artefact, sources: model.sources, queries: model.precision)
        self.init(model, .folder(search), try search.prepared(for: model.sources), count: search.count)
    }

    /// Makes an index in memory.
    /// - Parameters:
    ///   - texts: the documents, with their titles in front.
    ///   - ids: one each, none twice; empty: "0", "1", …
    ///   - blackBox: the black box's vectors, one row per document; `nil` if no source needs them.
    ///   - isWithout: whether they may be missing all the same. Then the sources that need them cannot rank.
    ///   - done: told how many documents are encoded. What it throws ends the work.
    /// - Throws: ``SharedModelError``, ``ArtefactError``, `CombinationError`, whatever the sources throw.
    package convenience init(
        _ model: SharedModel, texts: [String], ids: [String] = [], blackBox: Matrix?, without isWithout: Bool = false,
        done: (Int) throws -> Void = { _ in }
    ) throws {
        let ids = ids.isEmpty ? texts.indices.map(String.init) : ids
        guard ids.count == texts.count else {
            throw SharedModelError.argument("\(ids.count) identifiers for \(texts.count) documents")
        }
        let rows = Dictionary(ids.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        guard rows.count == ids.count else {
            let twice = ids.indices.first { rows[ids[$0]] != $0 } ?? 0
            throw SharedModelError.argument("the identifier '\(ids[twice])' of document \(twice) occurs twice")
        }
        let documents = try model.read(
            documents: texts, ids: ids, blackBox: blackBox,
            needsBlackBox: !isWithout && model.sources.documentInputs.contains(.blackBox),
            needsLocal: model.sources.documentInputs.contains(.local), done: done)
        self.init(
            model, .memory(ids: ids, texts: texts, rows: rows), try SourceIndex(model.sources, documents: documents),
            count: texts.count)
    }

    private init(_ model: SharedModel, _ texts: Texts, _ documents: SourceIndex, count: Int) {
        (self.model, self.texts, self.count) = (model, texts, count)
        held = Mutex(documents)
        guard count >= Self.approximatedCount, documents.vectors?.approximationByteCount == 0 else { return }
        // In the background, so that the index is ready at once.
        DispatchQueue.global(qos: .utility).async { [weak self] in
            let approximated = documents.approximated()
            self?.held.withLock { $0 = approximated }
        }
    }

    /// A document of a row; its title and text are one if it was made in memory.
    /// - Throws: ``SharedModelError/noDocument(_:)``; ``IndexError`` for a damaged line.
    package func document(_ row: Int) throws -> Document {
        guard (0..<count).contains(row) else { throw SharedModelError.noDocument("row \(row): it has \(count)") }
        switch texts {
        case .folder(let search): return try search.document(row)
        case .memory(let ids, let texts, _): return Document(id: ids[row], title: "", text: texts[row])
        }
    }

    /// The row of an identifier.
    /// - Throws: ``SharedModelError/noDocument(_:)``.
    package func row(of id: String) throws -> Int {
        let found: Int? =
            switch texts {
            case .folder(let search): search.row(of: id)
            case .memory(_, _, let rows): rows[id]
            }
        guard let found else { throw SharedModelError.noDocument("document '\(id)'") }
        return found
    }
}

// MARK: Ranking

extension SharedIndex {
    /// How queries are ranked.
    package struct Request {
        /// The queries.
        package var texts: [String]
        /// The black box's vectors, one row per query; `nil` if no source with a weight needs them.
        package var blackBox: Matrix?
        /// How the black box's vectors are had.
        package var asking = SharedModel.Asking.given
        /// One for each of the model's sources; `nil`: the model's own.
        package var weights: [Float]?

        /// A request.
        package init(
            _ texts: [String], blackBox: Matrix? = nil, asking: SharedModel.Asking = .given, weights: [Float]? = nil
        ) {
            (self.texts, self.blackBox, self.asking, self.weights) = (texts, blackBox, asking, weights)
        }
    }

    /// Bytes of the scores of one source that are held at a time, and the most queries.
    private static let (scoreBytes, queriesAtATime) = (64 << 20, 64)

    /// Ranks queries and gives each ranking to `body`, in the order of the queries.
    /// - Parameters:
    ///   - body: the number of the query, its best documents, and the weighted score of each source for each of them,
    ///     `(documents, sources)`; NaN for a source that takes no part. The parts are `nil` unless they are wanted.
    ///   - done: told how many queries are done. What it throws ends the work.
    /// - Throws: ``SharedModelError``, ``ArtefactError``, `CombinationError`.
    package func search(
        _ request: Request, count wanted: Int, parts hasParts: Bool, done: (Int) throws -> Void = { _ in },
        body: (_ query: Int, _ best: [ScoredIndex], _ parts: Matrix?) -> Void
    ) throws {
        try forEachBlock(request, done: done) { index, queries, weights, first in
            let queries = index.scored(queries)
            let rankings = try index.rankings(of: queries, weights: weights, count: min(wanted, count))
            for place in 0..<queries.inputs.count {
                let best = Array(rankings[place])
                let parts = hasParts ? parts(of: best.map(\.index), place, queries, weights, index) : nil
                body(first + place, best, parts)
            }
        }
    }

    /// Scores the same documents for each query.
    /// - Parameters:
    ///   - rows: of the documents; `nil` for all.
    ///   - body: the number of the query, a score for each document, and the parts as in ``search(_:count:parts:done:body:)``.
    /// - Throws: ``SharedModelError``, ``ArtefactError``, `CombinationError`.
    package func score(
        _ request: Request, rows: [Int]?, done: (Int) throws -> Void = { _ in },
        body: (_ query: Int, _ scores: [Float], _ parts: Matrix) -> Void
    ) throws {
        if let row = rows?.first(where: { !(0..<count).contains($0) }) {
            throw SharedModelError.noDocument("row \(row): it has \(count)")
        }
        let rows = rows ?? Array(0..<count)
        // Dense sources first, as a ranking adds them.
        let order =
            model.sources.indices.filter { model.sources[$0] is any DenseSource }
            + model.sources.indices.filter { !(model.sources[$0] is any DenseSource) }
        try forEachBlock(request, done: done) { index, queries, weights, first in
            let queries = index.scored(queries)
            for place in 0..<queries.inputs.count {
                let parts = parts(of: rows, place, queries, weights, index)
                var scores = [Float](repeating: 0, count: rows.count)
                for source in order where weights[model.sources[source].name] > 0 {
                    for row in rows.indices { scores[row] += parts[row, source] }
                }
                body(first + place, scores, parts)
            }
        }
    }

    private func parts(
        of rows: [Int], _ query: Int, _ queries: SourceIndex.Queries, _ weights: SourceWeights, _ index: SourceIndex
    ) -> Matrix {
        var parts = index.parts(of: rows, query: query, of: queries, weights: weights)
        for (column, source) in model.sources.enumerated() where weights[source.name] == 0 {
            for row in rows.indices { parts[row, column] = .nan }
        }
        return parts
    }

    private func forEachBlock(
        _ request: Request, done: (Int) throws -> Void,
        _ body: (SourceIndex, SourceIndex.Queries, SourceWeights, _ first: Int) throws -> Void
    ) throws {
        let (weights, documents) = (try weights(of: request), held.withLock { $0 })
        let ranking = model.sources.filter { weights[$0.name] > 0 }
        for case let source as any DenseSource in ranking where !documents.parts.contains(source.documentVectors) {
            throw SharedModelError.blackBoxMissing(
                path: model.folder.path, role: .document,
                hint: "this index was made without them, so '\(source.name)' cannot rank")
        }
        let inputs = ranking.queryInputs
        let size = min(
            Self.queriesAtATime, max(1, Self.scoreBytes / (MemoryLayout<Float>.stride * max(1, count))))
        for start in stride(from: 0, to: request.texts.count, by: size) {
            let rows = start..<min(start + size, request.texts.count)
            let texts = Array(request.texts[rows])
            let read =
                request.asking == .standIn
                ? try model.readOffline(texts, done: { _ in })
                : try model.read(
                    texts, blackBox: request.blackBox?.selecting(rows: Array(rows)),
                    needsBlackBox: inputs.contains(.blackBox), needsLocal: inputs.contains(.local), done: { _ in })
            let begin = ContinuousClock.now
            try body(documents, try documents.queries(read), weights, start)
            model.counters.searched(rows.count, seconds: seconds(since: begin))
            try done(rows.upperBound)
        }
    }

    /// The weights of the sources that rank.
    private func weights(of request: Request) throws -> SourceWeights {
        let path = model.folder.path
        if request.asking != .given, request.blackBox != nil {
            throw SharedModelError.argument(
                "the black box's vectors were given and were to be left out: choose one of both")
        }
        if let rows = request.blackBox?.rows, rows != request.texts.count {
            throw SharedModelError.argument("\(rows) vectors of the black box for \(request.texts.count) texts")
        }
        let isOffline = request.asking == .standIn
        if isOffline { _ = try model.requireStandIn() }
        guard var weights = model.weights(offline: isOffline) else {
            throw SharedModelError.unsupported(path: path, reason: "has no weights for a stand-in")
        }
        if let given = request.weights { weights = try replaced(weights, by: given) }
        guard request.asking == .without else { return weights }
        guard let left = weights.withoutBlackBox(model.sources) else {
            throw SharedModelError.blackBoxMissing(path: path, role: .query, hint: "no other source has a weight")
        }
        return left
    }

    private func replaced(_ weights: SourceWeights, by given: [Float]) throws -> SourceWeights {
        guard model.mixture.localForm == .unit else {
            throw SharedModelError.unsupported(
                path: model.folder.path,
                reason: "is of the norm form, where each text has a weight of its own: it takes no other weights")
        }
        let names = model.sources.map(\.name)
        guard given.count == names.count else {
            throw SharedModelError.argument("\(given.count) weights for \(names.count) sources")
        }
        for (name, weight) in zip(names, given) {
            guard weight >= 0, weight.isFinite else {
                throw SharedModelError.argument(
                    "the weight of '\(name)' is \(weight): expected a finite number from 0 on")
            }
            guard weight == 0 || weights.sources.contains(name) else {
                throw SharedModelError.argument(
                    "'\(name)' takes no part in such a ranking: its weight must be 0, found \(weight)")
            }
        }
        let pairs = zip(names, given).filter { weights.sources.contains($0.0) }
        guard let changed = weights.replacing(Dictionary(uniqueKeysWithValues: pairs)) else {
            throw SharedModelError.argument("expected a weight above 0 and a finite sum of all weights")
        }
        return changed
    }
}
