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
    /// Share of the local encoder; nil for the artefact's.
    package var lambda: Float?

    /// The ranking.
    package struct Result: Sendable, Encodable {
        package var query: String
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

    /// Embeds documents and query, and ranks.
    package func run() async throws -> Result {
        let model = try ArtefactOpening.model(at: artefact, context)
        let ownLambda = model.manifest.mixing.lambda
        if lambda != nil, ownLambda == nil { throw WorkflowError.lambdaNotChangeable }
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        let blackBox = try await ArtefactOpening.blackBox(of: model, openBlackBox)
        let documents = try await blackBox.embed(
            collection.documents.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }, as: .document)
        try model.artefact.require(blackBox: blackBox.identity, dimension: documents.columns)
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: documents, cache: .shared,
            isCancelled: context.isCancelled
        ) { progress.update("Encoding documents", $0, collection.documents.count) }
        let vector = try await queryVector(blackBox, collection)
        let hits = try search.hits(
            query, blackBoxVector: vector, count: count, lambda: lambda)
        return Result(
            query: query, lambda: vector == nil ? 1 : lambda ?? ownLambda, blackBoxAsked: vector != nil,
            results: hits)
    }

    /// The black box's vector of the query. A file of stored vectors has only those of its own queries. For any other query this is nil: the
    /// local encoder ranks alone, and the user is told so.
    private func queryVector(_ blackBox: any BlackBox, _ collection: RetrievalCollection) async throws -> [Float]? {
        let item = EmbeddingItem(id: "query", text: query)
        guard blackBox is StoredVectors else { return try await blackBox.embed([item], as: .query).values }
        let stored = KnownTexts(
            blackBox, queries: collection.queries.map { ($0.id, $0.text) }, documents: [],
            refusal: BlackBoxError.missingIDs(path: data, role: .query, count: 1, asked: 1, first: [query]))
        if let vector = try? await stored.embed([item], as: .query) { return vector.values }
        context.warn(
            "the black box is a file of stored answers that does not hold this query; "
                + "ranked by the local encoder alone (λ = 1)")
        return nil
    }
}
