import Foundation
import Mafin

/// Trains an artefact, embeds with it and searches with it: `swift run SwiftClient DATA VECTORS ENCODER ART`.
/// `how-do-i` and `tutorials` run the lines of the documentation.
@main
struct SwiftClient {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        let paths = words.dropFirst(words.first == "tutorials" ? 1 : 0).map { URL(fileURLWithPath: $0) }
        switch (words.first, paths.count) {
        case ("how-do-i", 1):
            try await howDoI()
        case ("tutorials", 3):
            try await tutorials(data: paths[0], encoder: paths[1], folder: paths[2])
        case (_, 4):
            let (data, vectors, encoder, output) = (paths[0], paths[1], paths[2], paths[3])
            let blackBox = try StoredVectors(contentsOf: vectors)
            let collection = try RetrievalCollection(contentsOf: data)
            try await train(on: collection, beside: blackBox, encoder: encoder, output: output)
            try await use(output, beside: blackBox, encoder: encoder, collection)
        default:
            print("usage: SwiftClient DATA VECTORS ENCODER ART | how-do-i | tutorials DATA ENCODER FOLDER")
            exit(64)
        }
    }

    /// Learns from `train`, chooses on `dev`, and writes the artefact.
    static func train(
        on collection: RetrievalCollection, beside blackBox: any BlackBox, encoder: URL, output: URL
    ) async throws {
        let splits = JudgedSplits(collection)
        let labels = try [splits.qrels(.train), splits.qrels(.dev)]
        let queries = collection.queries.filter { query in labels.contains { $0[query.id] != nil } }
        let answers = try await BlackBoxVectors(asking: blackBox, documents: collection.documents, queries: queries)
        var settings = CollectionTraining.Settings()
        settings.options.time = 10
        let training = try CollectionTraining(
            collection: collection, splits: splits, vectors: answers,
            released: ReleasedEncoder(name: encoder.path, folder: encoder), settings: settings,
            cache: LocalVectorCache(folder: nil))
        let trained = try training.train(.mafin, checkpointFolder: nil)
        try trained.write(to: output, force: true)
        print("On dev: \(trained.verdict.reason)")
    }

    /// Embeds, compares and searches. An app that only does this needs no collection and no labels.
    static func use(
        _ artefact: URL, beside blackBox: any BlackBox, encoder: URL, _ collection: RetrievalCollection
    ) async throws {
        let model = try ArtefactModel(artefact: artefact, released: { _ in encoder })
        let query = collection.queries[0]
        let asked = [EmbeddingItem(id: query.id, text: query.text)]
        let items = collection.documents.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }
        let queryVectors = try await model.embed(asked, as: .query, asking: blackBox)
        let documentVectors = try await model.embed(items, as: .document, asking: blackBox)
        print("\(queryVectors.columns) numbers a vector, \(documentVectors.rows) documents")

        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: try await blackBox.embed(items, as: .document),
            cache: LocalVectorCache(folder: nil))
        let asking = try await blackBox.embed(asked, as: .query)
        print(query.text)
        for hit in try search.hits(query.text, blackBoxVector: asking.values, count: 3) {
            print("\(hit.rank)  \(hit.score)  \(hit.id)  \(hit.title)")
        }
    }
}
