import ArgumentParser
import Foundation
import Mafin
import MafinBlackBox
import MafinRetrieval

/// Ablations of sums of sources.
@main
struct BenchSources: AsyncParsableCommand {
    static let configuration = CommandConfiguration(subcommands: [
        WeightsCommand.self, BasesCommand.self, StandInCommand.self,
    ])
}

/// The collection, its black box and the released encoder.
struct CollectionOptions: ParsableArguments {
    @Option(help: "Collection in BEIR layout.") var data: String
    @Option(help: "Folder of the black box's vectors.") var vectors: String
    @Option(help: "Folder of the released encoder.") var encoder: String

    func training(
        _ settings: CollectionTraining.Settings
    ) async throws -> (training: CollectionTraining, splits: JudgedSplits) {
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        let splits = JudgedSplits(collection)
        let vectors = try await BlackBoxVectors(
            asking: try StoredVectors(contentsOf: URL(fileURLWithPath: vectors)), documents: collection.documents,
            queries: collection.queries)
        let cache = FileManager.default.temporaryDirectory.appendingPathComponent("bench-sources")
        return (
            try CollectionTraining(
                collection: collection, splits: splits, vectors: vectors,
                released: ReleasedEncoder(name: encoder, folder: URL(fileURLWithPath: encoder)), settings: settings,
                cache: LocalVectorCache(folder: cache)), splits
        )
    }

    /// The black box and BM25.
    func frozen(_ training: CollectionTraining) -> (blackBox: BlackBoxVectorSource, words: LexicalSource) {
        let texts = training.sourceDocuments().texts
        return (
            BlackBoxVectorSource(dimension: training.data.blackBoxDocuments.columns),
            LexicalSource(texts: texts, language: LanguageGuess(of: texts).language)
        )
    }

    /// Positions of the test queries whose answers labels name, and of the others.
    static func parts(of test: Qrels, _ splits: JudgedSplits) throws -> [String: [Int]] {
        let learned = try [splits.qrels(.train), splits.qrels(.dev)]
        let named = Set(
            learned.flatMap { qrels in qrels.queryIds.flatMap { qrels.relevantDocuments(of: $0).map(\.document) } })
        let judged = test.queryIds.filter(test.hasRelevantDocument)
        let isKnown = judged.map { test.relevantDocuments(of: $0).allSatisfy { named.contains($0.document) } }
        return [
            "all": Array(judged.indices), "known": judged.indices.filter { isKnown[$0] },
            "new": judged.indices.filter { !isKnown[$0] },
        ]
    }
}

func log(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
