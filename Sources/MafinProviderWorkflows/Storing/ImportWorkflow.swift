import Foundation
import MafinBlackBox
import MafinNumerics
import MafinStores
import MafinWorkflows

/// One `mafin import`: takes vectors from a database or a Parquet file into a folder that `vectors:` reads.
package struct ImportWorkflow {
    /// Where the vectors of documents are.
    package var documents: VectorImport
    /// Where the vectors of queries are; nil: in the table that the address of the documents names, or nowhere.
    package var queries: VectorImport?
    /// The folder to write.
    package var output: URL
    /// How the documents' server is reached.
    package var connection = StoreConnection()
    /// How the queries' server is reached. It has a key of its own: one server never gets the key of another.
    package var queriesConnection = StoreConnection()

    /// What was taken.
    package struct Result: Sendable, Encodable {
        package var documents: VectorImport.Taken
        package var queries: VectorImport.Taken?
        /// The value of `--black-box` that reads it.
        package var blackBox: String

        package var text: String {
            func line(_ taken: VectorImport.Taken, _ what: String) -> String {
                "\(taken.vectors) × \(taken.dimension) of \(what)"
                    + (taken.withoutVector > 0 ? ", \(taken.withoutVector) rows have no vector" : "")
            }
            return
                ([line(documents, "documents")] + (queries.map { [line($0, "queries")] } ?? [])
                + ["use them with --black-box \(blackBox)"]).joined(separator: "\n")
        }
    }

    private let context: WorkflowContext
    private static let documentsFile = "corpus.npy"
    /// The file by which a folder of an import is known. Vectors alone may be a user's own, and are not replaced.
    private static let descriptionFile = "import.json"

    /// What is stored as ``descriptionFile``.
    private struct Description: Encodable {
        var documents: String
        var queries: String?
    }

    package init(_ documents: VectorImport, to output: URL, context: WorkflowContext) {
        (self.documents, self.output, self.context) = (documents, output, context)
    }

    /// Takes the vectors. The folder appears whole or not at all.
    /// - Throws: `StoreError`, `BlackBoxError`, `NumericsError`.
    package func run() async throws -> Result {
        guard try AtomicFile.canReplaceDirectory(at: output, holding: Self.descriptionFile) else {
            throw StoreError.occupied(path: output.path)
        }
        try FileManager.default.createDirectory(
            at: output.deletingLastPathComponent(), withIntermediateDirectories: true)
        let queries = queries ?? documents.queries
        var taken: (documents: VectorImport.Taken, queries: VectorImport.Taken?)?
        try await AtomicFile.replaceDirectory(at: output) { folder in
            let first = try await take(
                documents, connection, "documents", to: folder.appendingPathComponent(Self.documentsFile))
            taken = (
                first,
                try await queries.asyncMap {
                    try await take(
                        $0, queriesConnection, "queries", to: folder.appendingPathComponent("queries.npy"))
                }
            )
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try AtomicFile.write(
                try encoder.encode(Description(documents: documents.shown, queries: queries?.shown)),
                to: folder.appendingPathComponent(Self.descriptionFile))
        }
        guard let taken else { preconditionFailure("the folder is filled, or an error is thrown") }
        // Without queries of its own the one table serves both roles.
        let path = queries == nil ? output.appendingPathComponent(Self.documentsFile).path : output.path
        return Result(documents: taken.documents, queries: taken.queries, blackBox: "vectors:\(path)")
    }

    private func take(
        _ source: VectorImport, _ connection: StoreConnection, _ what: String, to file: URL
    ) async throws -> VectorImport.Taken {
        let bar = context.beginProgress("Reading \(what)", 0, "vectors")
        defer { bar.finish() }
        return try await source.write(
            to: file, connection, isCancelled: context.isCancelled, progress: { bar.update(completed: $0) })
    }
}

extension Optional {
    /// What `body` makes of the value; nil if there is none.
    fileprivate func asyncMap<Result>(_ body: (Wrapped) async throws -> Result) async rethrows -> Result? {
        guard let self else { return nil }
        return try await body(self)
    }
}
