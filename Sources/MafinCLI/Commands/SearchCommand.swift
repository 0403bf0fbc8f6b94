import ArgumentParser
import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval

/// `mafin search`: one query against a collection, with both parts of each score.
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Rank a collection's documents for a query and show both halves' part in each score.")

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: ArtefactOptions

    @Option(help: "Collection: a BEIR folder, a LlamaIndex .json, or a .jsonl of query-document pairs (also .gz).")
    var data: String

    @Option(help: "Results to show.")
    var top = 10

    @Option(
        help: ArgumentHelp(
            "Share of the local half, instead of the artefact's: 0 is the black box's own ranking, 1 the local encoder's.",
            valueName: "0…1"))
    var lambda: Float?

    @Argument(help: "The query.")
    var query: String

    func validate() throws {
        if top < 1 { throw ValidationError("--top must be at least 1, found \(top).") }
        if let lambda, !(0...1).contains(lambda) {
            throw ValidationError("--lambda must lie between 0 and 1, found \(lambda).")
        }
        if query.allSatisfy(\.isWhitespace) { throw ValidationError("the query is empty.") }
    }

    func run() async throws {
        try shared.apply()
        Interruption.install()
        let model = try options.load(shared)
        if lambda != nil, model.manifest.mixing.combination.lambda == nil {
            throw ValidationError("--lambda does not go with norm-mafin: each vector's length is its weight.")
        }
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        shared.warn(of: collection.warnings)
        let blackBox = try await options.makeBlackBox(model, shared)
        let documents = try await blackBox.embed(
            collection.documents.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }, as: .document)
        try model.artefact.require(blackBox: blackBox.identity, dimension: documents.columns)
        let progress = EncodingProgress(shared)
        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: documents, cache: .shared,
            isCancelled: { Interruption.isRequested }
        ) { progress.update("Encoding documents", $0, collection.documents.count) }
        let vector = try await queryVector(blackBox, collection)
        let hits = try search.hits(query, blackBoxVector: vector, count: top, lambda: lambda)
        if shared.json {
            try JSONOutput.print(
                Answer(
                    query: query, lambda: vector == nil ? 1 : lambda ?? model.manifest.mixing.combination.lambda,
                    blackBoxAsked: vector != nil, results: hits))
        } else {
            print(table(hits))
        }
    }

    private struct Answer: Encodable {
        var query: String
        var lambda: Float?
        var blackBoxAsked: Bool
        var results: [ArtefactSearch.Hit]
    }

    /// The black box's vector of the query. Stored answers know only the queries they were made for: any other is ranked by
    /// the local half alone, and the user is told so.
    private func queryVector(_ blackBox: any BlackBox, _ collection: RetrievalCollection) async throws -> [Float]? {
        guard blackBox is StoredVectors else {
            return try await blackBox.embed([EmbeddingItem(id: "query", text: query)], as: .query).values
        }
        let wanted = Self.folded(query)
        if let known = collection.queries.first(where: { Self.folded($0.text) == wanted }),
            let vector = try? await blackBox.embed([EmbeddingItem(id: known.id, text: known.text)], as: .query)
        {
            return vector.values
        }
        shared.warn(
            "the black box is a file of stored answers that does not hold this query; "
                + "ranked by the local half alone (λ = 1)")
        return nil
    }

    private static func folded(_ text: String) -> String {
        text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private func table(_ hits: [ArtefactSearch.Hit]) -> String {
        var table = Table(columns: [
            .init("", .right), .init("score", .right), .init("black box", .right), .init("local", .right),
            .init("black box rank", .right), .init("id"), .init("document"),
        ])
        func number(_ value: Float?) -> String { value.map { String(format: "%.4f", $0) } ?? "–" }
        for hit in hits {
            let text = (hit.title.isEmpty ? hit.text : "\(hit.title): \(hit.text)")
                .split(whereSeparator: \.isWhitespace).joined(separator: " ")
            table.append([
                "\(hit.rank)", number(hit.score), number(hit.blackBoxPart), number(hit.localPart),
                hit.blackBoxRank.map { "\($0)" } ?? "–", hit.id, text.truncated(toWidth: 60),
            ])
        }
        return table.text()
    }
}
