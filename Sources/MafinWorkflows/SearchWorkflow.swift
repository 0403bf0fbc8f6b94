import Foundation
import MafinBlackBox
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
    package var query: String
    /// Maximum number of results.
    package var count = 10
    /// The weights of this search.
    package var weights = WeightChanges()

    /// The ranking.
    package struct Result: Sendable, Encodable {
        package var query: String
        /// The weights that ranked. A source that could not take part has 0.
        package var weights: SourceWeights
        /// Share of the local encoder in the weights of the black box and the local encoder; nil if there is none.
        package var lambda: Float?
        package var blackBoxAsked: Bool
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
    package func run() async throws -> Result {
        let model = try ArtefactOpening.model(at: artefact, context)
        let changed = try weights.applied(to: model.manifest.mixing)
        var weights = changed ?? model.manifest.mixing.rankingWeights
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)

        let used = model.sources.filter { weights[$0.name] > 0 }
        var (documents, vector): (Matrix?, [Float]?)
        let asks = used.contains { $0.queryInputs.union($0.documentInputs).contains(.blackBox) }
        if asks {
            let blackBox = try await ArtefactOpening.blackBox(of: model, openBlackBox)
            if used.contains(where: { $0.documentInputs.contains(.blackBox) }) {
                let found = try await blackBox.embed(
                    collection.documents.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }, as: .document)
                try model.artefact.require(blackBox: blackBox.identity, dimension: found.columns)
                documents = found
            }
            vector = try await queryVector(blackBox, collection)
        }
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: documents, cache: .shared,
            isCancelled: context.isCancelled
        ) { progress.update("Encoding documents", $0, collection.documents.count) }
        let hits = try search.hits(query, blackBoxVector: vector, count: count, weights: changed)
        if vector == nil { weights = weights.withoutBlackBox(model.sources) ?? weights }
        if asks, vector == nil {
            let left = weights.sources.filter { weights[$0] > 0 }.map(\.rawValue).joined(separator: ", ")
            context.warn(
                "the black box is a file of stored answers that does not hold this query; ranked without it, by \(left)"
            )
        }
        // In the norm form each text has its own weight, unless the local encoder ranks alone.
        let hasLambda =
            model.manifest.mixing.localForm == .unit || weights.sources.filter { weights[$0] > 0 } == [.local]
        return Result(
            query: query, weights: weights, lambda: hasLambda ? weights.lambda : nil, blackBoxAsked: vector != nil,
            results: hits)
    }

    /// The black box's vector of the query. A file of stored vectors has only those of its own queries. For any other query this is nil: the
    /// other sources rank without it, and the user is told so.
    private func queryVector(_ blackBox: any BlackBox, _ collection: RetrievalCollection) async throws -> [Float]? {
        let item = EmbeddingItem(id: "query", text: query)
        guard blackBox is StoredVectors else { return try await blackBox.embed([item], as: .query).values }
        let stored = KnownTexts(
            blackBox, queries: collection.queries.map { ($0.id, $0.text) }, documents: [],
            refusal: BlackBoxError.missingIDs(path: data, role: .query, count: 1, asked: 1, first: [query]))
        return try? await stored.embed([item], as: .query).values
    }
}
