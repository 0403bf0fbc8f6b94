import Foundation
import MafinBlackBox
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinStores
import MafinWorkflows

/// One `mafin export --show-query`: the query of a store, with the artefact's weights in it.
package struct StoreQueryWorkflow {
    /// The folder of the artefact.
    package var artefact: String
    /// The store.
    package var target: StoreTarget
    /// How it was written.
    package var stores = Stores()
    /// A query whose vectors are filled in; nil: places for them are printed.
    package var query: String?
    /// Number of results.
    package var count = 100
    /// How many candidates each index finds; nil: every text is scored, where the store can do that.
    package var candidates: Int?
    /// Whether the stand-in answers, with its weights.
    package var isOffline = false

    private let context: WorkflowContext
    private let openBlackBox: BlackBoxOpening

    package init(
        artefact: String, target: StoreTarget, context: WorkflowContext, openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.artefact, self.target, self.context, self.openBlackBox) = (artefact, target, context, openBlackBox)
    }

    /// The text of the query.
    /// - Throws: `StoreError` for files without a query; `ArtefactError` without a stand-in; what the black box throws.
    package func run() async throws -> String {
        let model = try ArtefactOpening.model(at: artefact, context)
        if isOffline { try model.artefact.requireOffline() }
        let schema = StoreSchema(parts: DocumentVectors.parts(of: model), isUnit: DocumentVectors.areUnit(model))
        guard let form = stores.query(target, schema, candidates: candidates) else {
            throw StoreError.badAddress(target.shown, reason: "these files have no language for queries")
        }
        let terms = Self.terms(of: model, isOffline: isOffline).filter { term in
            target.kind.abilities.holdsSparse || schema.dense.contains { $0.name == term.part }
        }
        return form.text(terms, count: count, vectors: try await vectors(model, terms))
    }

    /// The terms of the score that vectors give.
    static func terms(of model: ArtefactModel, isOffline: Bool) -> [StoreTerm] {
        let mixing = model.manifest.mixing
        let weights = model.manifest.rankingWeights(offline: isOffline)
        return model.sources.compactMap { source in
            guard weights[source.name] > 0, source.face != .ours else { return nil }
            let part = (source as? any DenseSource)?.documentVectors ?? source.name
            // In these layouts the documents' vectors hold a part of the weights, or all of them.
            let weight =
                mixing.localForm != .unit
                ? 1 : mixing.layout == .symmetric ? weights[source.name].squareRoot() : weights[source.name]
            return StoreTerm(source: source.name.rawValue, part: part.rawValue, weight: weight)
        }
    }

    private func vectors(_ model: ArtefactModel, _ terms: [StoreTerm]) async throws -> StoreQueryVectors? {
        guard let query else { return nil }
        let used = model.sources.filter { source in terms.contains { $0.source == source.name.rawValue } }
        let queries: SourceQueries
        if isOffline {
            queries = try model.offlineQueries([Item(query)])
        } else {
            var answer: Matrix?
            if used.contains(where: { $0.queryInputs.contains(.blackBox) }) {
                let blackBox = try await ArtefactOpening.blackBox(of: model, openBlackBox)
                answer = try await blackBox.embed([EmbeddingItem(id: "query", text: query)], as: .query)
            }
            queries = try model.queries([Item(query)], blackBox: answer)
        }
        var vectors = StoreQueryVectors()
        for source in used {
            switch source {
            case let source as any DenseSource:
                vectors.dense[source.name.rawValue] = Array(try source.vectors(of: queries).row(0))
            case let source as any SparseSource:
                vectors.sparse[source.name.rawValue] = source.terms(ofQuery: query).filter { $0.weight > 0 }
            default: break
            }
        }
        return vectors
    }
}
