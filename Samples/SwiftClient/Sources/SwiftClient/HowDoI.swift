import Foundation
import Mafin
import MafinReport

/// The Swift lines of Documentation/how-do-i.md, word for word. A test compares them.
///
/// They run in a folder with `DATA`, the bundled sample, and `ENCODER`, a released encoder.
func howDoI() async throws {
    let encoder = URL(fileURLWithPath: "ENCODER")
    let folder = URL(fileURLWithPath: "ART-SWIFT")
    let cache = LocalVectorCache(folder: nil)

    // Bring my own data
    let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: "DATA"))

    // Train an artefact
    let blackBox = try await FrozenEncoder(modelFolder: encoder)
    let released = try ReleasedEncoder(name: encoder.path, folder: encoder)
    let splits = JudgedSplits(collection)
    let labels = try [splits.qrels(.train), splits.qrels(.dev)]
    let judged = collection.queries.filter { query in labels.contains { $0[query.id] != nil } }
    let answers = try await BlackBoxVectors(asking: blackBox, documents: collection.documents, queries: judged)
    var settings = CollectionTraining.Settings()
    settings.options.time = 5
    let training = try CollectionTraining(
        collection: collection, splits: splits, vectors: answers, released: released, settings: settings, cache: cache)
    try training.train(.mafin, checkpointFolder: nil).write(to: folder, force: true)

    // Measure it on held-out queries
    let model = try ArtefactModel(artefact: folder, released: { _ in encoder })
    let asked = try await BlackBoxVectors(
        asking: blackBox, documents: collection.documents, queries: collection.queries)
    let measured = try MeasuredSplit("test", of: collection, for: model.artefact)
    let evaluation = try ArtefactEvaluation(
        of: model, on: measured, vectors: asked, cache: cache, released: { _ in encoder })
    print(EvaluationSummary(try evaluation.report(metrics: Metric.standard)).text())

    // Embed documents
    let documents = try await model.embed(
        [EmbeddingItem(id: "d1", text: "Greasing the Parson")], as: .document, asking: blackBox)

    // Embed a query
    let queries = try await model.embed(
        [EmbeddingItem(id: "q1", text: "who greases the crane?")], as: .query, asking: blackBox)
    print("\(documents.columns) numbers a document, \(queries.columns) a query")

    // Search
    let vector = try await blackBox.embed(
        [EmbeddingItem(id: "q1", text: "who greases the crane?")], as: .query
    ).values
    let search = try ArtefactSearch(
        model, documents: collection.documents, blackBox: asked.documentVectors, cache: cache)
    let hits = try search.hits("who greases the crane?", blackBoxVector: vector, count: 3)

    // Search with other weights
    let weights = model.manifest.mixing.rankingWeights.replacing([.local: 0])
    let others = try search.hits("who greases the crane?", blackBoxVector: vector, count: 3, weights: weights)

    // Answer without asking the API. (This artefact has no stand-in, so the local encoder answers alone.)
    let unasked = try search.hits("who greases the crane?", blackBoxVector: nil, count: 3)
    for (title, found) in [("all sources", hits), ("without the encoder", others), ("without the API", unasked)] {
        print("\(title): \(found.map(\.id).joined(separator: ", "))")
    }
}
