import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// One `mafin search`: ranks a collection's documents for one query.
package struct SearchWorkflow {
    /// The folder of the artefact.
    package var artefact: String
    /// The collection.
    package var data: String
    /// The text of the query; empty for an image alone.
    package var query: String
    /// The image of the query; nil for a text.
    package var image: ItemImage?
    /// Maximum number of results.
    package var count = 10
    /// The weights of this search.
    package var weights = WeightChanges()
    /// Whether the artefact's stand-in answers. Nothing is asked: the black box's vectors of documents are those that are stored on this machine.
    package var isOffline = false
    /// In which the encoders embed; nil for what the artefact says.
    package var precision: Precision?

    /// The ranking.
    package struct Result: Sendable, Encodable {
        package var query: String
        /// The path of the query's image.
        package var image: String?
        /// The weights that ranked. A source that could not take part has 0.
        package var weights: SourceWeights
        /// Share of the local encoder in the weights of the black box and the local encoder; nil if there is none.
        package var lambda: Float?
        package var blackBoxAsked: Bool
        /// Whether the stand-in ranked in place of the black box.
        package var isOffline: Bool
        package var results: [ArtefactSearch.Hit]
    }

    private let context: WorkflowContext
    private let openBlackBox: BlackBoxOpening

    package init(
        artefact: String, data: String, query: String, context: WorkflowContext, openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.artefact, self.data, self.query) = (artefact, data, query)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// Embeds documents and query, and ranks. The black box is opened and asked only for sources with a weight.
    /// - Throws: `ArtefactError.noStandIn` for ``isOffline`` without one, ``WorkflowError`` for weights or vectors of documents that are missing;
    ///   whatever the black box and files throw.
    package func run() async throws -> Result {
        let model = try ArtefactOpening.model(at: artefact, precision: precision, context)
        let manifest = model.manifest
        if isOffline { try model.artefact.requireOffline() }
        func weights(offline isOffline: Bool, ignoresUnknown: Bool) throws -> (
            changed: SourceWeights?, all: SourceWeights
        ) {
            let own = manifest.rankingWeights(offline: isOffline)
            let changed = try self.weights.applied(to: manifest.mixing, ranking: own, ignoresUnknown: ignoresUnknown)
            return (changed, changed ?? own)
        }
        var (changed, ranking) = try weights(offline: isOffline, ignoresUnknown: false)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)

        var blackBox: (any BlackBox)?
        var (documents, vector): (Matrix?, [Float]?)
        let asks = !isOffline && ranking.needBlackBox(model.sources)
        if asks {
            let opened = try await ArtefactOpening.blackBox(of: model, openBlackBox)
            vector = try await queryVector(opened, collection)
            blackBox = opened
        }
        // Only now is it known who answers, and so which vectors of documents are needed.
        let isUnanswered = asks && vector == nil
        let standsIn = isOffline || isUnanswered && model.standIn != nil
        if standsIn, !isOffline { (changed, ranking) = try weights(offline: true, ignoresUnknown: true) }
        if model.sources.contains(where: { ranking[$0.name] > 0 && $0.documentInputs.contains(.blackBox) }) {
            let blackBox =
                if let blackBox { blackBox } else { try await ArtefactOpening.blackBox(of: model, openBlackBox) }
            let items = collection.documents.map { EmbeddingItem($0) }
            let found =
                isOffline ? try await stored(items, in: blackBox) : try await blackBox.embed(items, as: .document)
            try model.artefact.require(blackBox: blackBox.identity, dimension: found.columns)
            documents = found
        }
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: documents, cache: .shared,
            isCancelled: context.isCancelled
        ) { progress.update("Encoding documents", $0, collection.documents.count) }
        let hits = try search.hits(
            Item(query, image: image), blackBoxVector: vector, count: count, weights: changed, isOffline: standsIn)
        if isUnanswered, !standsIn {
            ranking = ranking.withoutBlackBox(model.sources) ?? ranking
        }
        if isUnanswered {
            let left = ranking.sources.filter { ranking[$0] > 0 }.map(\.rawValue).joined(separator: ", ")
            context.warn(
                "the black box is a file of stored answers that does not hold this query; ranked without it, by \(left)"
            )
        }
        // In the norm form each text has its own weight, unless the local encoder ranks alone.
        let hasLambda =
            manifest.mixing.localForm == .unit || ranking.sources.filter { ranking[$0] > 0 } == [.local]
        return Result(
            query: query, image: image?.path, weights: ranking, lambda: hasLambda ? ranking.lambda : nil,
            blackBoxAsked: vector != nil,
            isOffline: standsIn, results: hits)
    }

    /// The black box's vectors of documents that are stored on this machine: those of a file, or of the cache. Nothing is asked.
    private func stored(_ items: [EmbeddingItem], in blackBox: any BlackBox) async throws -> Matrix {
        if blackBox is StoredVectors { return try await blackBox.embed(items, as: .document) }
        let known = try await blackBox.known(items, as: .document)
        let missing = known.missing(of: items.count)
        guard missing.isEmpty else {
            throw WorkflowError.documentsNotStored(path: data, missing: missing.count, of: items.count)
        }
        return known.ordered
    }

    /// The black box's vector of the query. A file of stored vectors has only those of the collection's queries: the same text, or the same
    /// picture. For any other query this is nil: the other sources rank without it, and the user is told so.
    private func queryVector(_ blackBox: any BlackBox, _ collection: RetrievalCollection) async throws -> [Float]? {
        let item = EmbeddingItem(id: "query", text: query, image: image)
        guard blackBox is StoredVectors else { return try await blackBox.embed([item], as: .query).values }
        let name = image?.path ?? query
        let stored = KnownTexts(
            blackBox, queries: collection.queries.map { EmbeddingItem($0) }, documents: [],
            refusal: BlackBoxError.missingIDs(path: data, role: .query, count: 1, asked: 1, first: [name]))
        do {
            return try await stored.embed([item], as: .query).values
        } catch BlackBoxError.missingIDs, BlackBoxError.missingRole {
            return nil
        }
    }
}
