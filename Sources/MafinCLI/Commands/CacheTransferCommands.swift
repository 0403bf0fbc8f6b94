import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinNumerics
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinRetrieval

/// `mafin cache export`
struct CacheExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write cached vectors to files that NumPy, safetensors and 'vectors:' read.",
        discussion: """
            With --source: writes all vectors of one source, under their keys, to one file (.npy with .ids, .safetensors or .jsonl). 'mafin \
            cache import' reads it on another machine. With --data and --black-box: writes the vectors of a collection, under its ids, to a \
            folder that --black-box vectors:FOLDER reads. Nothing is asked; a text that is not cached is an error.

            More flags: mafin cache export --help-hidden
            """)

    @OptionGroup var options: CacheCollectionOptions

    @Option(help: ArgumentHelp("Source to write, by its number in 'mafin cache stats'.", valueName: "n"))
    var source: Int64?

    @Option(name: .shortAndLong, help: "File to write; with --data, the folder.")
    var output: String

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    /// Number of vectors that are held in memory at a time.
    private static let blockSize = 8192

    func validate() throws {
        if (source == nil) == (options.data == nil) { throw ValidationError("Pass either --source or --data.") }
    }

    func run() async throws {
        let url = URL(fileURLWithPath: output)
        if let source {
            let cache = try options.blackBox.factory(shared).openCache()
            let transfer = try await cache.exportVectors(of: source, to: url)
            try report(transfer.vectors, transfer.dimension)
            return
        }
        let opened = try options.blackBox.openedProvider(shared)
        let collection = try options.collection()
        let cached = CachedBlackBox(NothingAsked(identity: opened.blackBox.identity), cache: opened.cache)
        for texts in collection {
            let missing = try await cached.plan(texts.items, as: texts.role).remaining
            guard missing == 0 else {
                throw ProviderError.cacheMisuse(
                    path: opened.cache.path,
                    reason: "\(missing) of the \(texts.name)'s texts are not cached; nothing is asked here")
            }
        }
        Interruption.install()
        var (count, dimension) = (0, 0)
        try await AtomicFile.replaceDirectory(at: url) { folder in
            for texts in collection where !texts.items.isEmpty {
                var vectors: PendingVectors?
                for start in stride(from: 0, to: texts.items.count, by: Self.blockSize) {
                    if Interruption.isRequested { throw CancellationError() }
                    let block = texts.items[start..<min(start + Self.blockSize, texts.items.count)]
                    let rows = try await cached.embed(Array(block), as: texts.role)
                    let file =
                        try vectors
                        ?? PendingVectors(
                            to: folder.appendingPathComponent("\(texts.name).npy"), dimension: rows.columns)
                    try file.append(rows, ids: block.map(\.id))
                    (vectors, dimension) = (file, rows.columns)
                }
                try vectors?.commit()
                count += vectors?.count ?? 0
            }
        }
        try report(count, dimension)
    }

    private func report(_ vectors: Int, _ dimension: Int) throws {
        try format.print(
            ["vectors": vectors, "dimension": dimension],
            or: "\(vectors) vectors of \(dimension) numbers to \(output)")
    }
}

/// `mafin cache import`
struct CacheImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Add vectors to the cache that were paid for elsewhere.",
        discussion: """
            A file that 'mafin cache export --source' wrote needs no other flag. Vectors under the ids of a collection (as vectors:FOLDER \
            reads them) need --data for their texts, and --black-box for the model that made them. That it made them cannot be checked.

            More flags: mafin cache import --help-hidden
            """)

    @OptionGroup var options: CacheCollectionOptions

    @Argument(help: "File or folder of vectors.")
    var input: String

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let url = URL(fileURLWithPath: input)
        guard options.data != nil else {
            let cache = try options.blackBox.factory(shared).openCache()
            let transfer = try await cache.importVectors(from: url)
            try report(added: transfer.added, of: transfer.vectors)
            return
        }
        let opened = try options.blackBox.openedProvider(shared)
        let vectors = try StoredVectors(contentsOf: url)
        let cached = CachedBlackBox(AdoptedVectors(vectors, as: opened.blackBox.identity), cache: opened.cache)
        var (added, total) = (0, 0)
        for texts in try options.collection() {
            let ids = Set(vectors.ids(for: texts.role))
            let known = texts.items.filter { ids.contains($0.id) }
            guard !known.isEmpty else { continue }
            let counts = try await cached.answer(known, as: texts.role).counts
            added += counts.asked
            total += known.count
        }
        try report(added: added, of: total)
    }

    private func report(added: Int, of total: Int) throws {
        try format.print(
            ["vectors": total, "added": added], or: "\(total) vectors read, \(added) of them new to the cache")
    }
}

/// A collection, and the model whose vectors are exported or imported.
struct CacheCollectionOptions: ParsableArguments {
    @Option(help: "Collection that holds the texts: a BEIR folder, a LlamaIndex .json, or a .jsonl of pairs.")
    var data: String?

    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions

    func validate() throws {
        if data != nil, blackBox.blackBox == nil {
            throw ValidationError("--data needs --black-box, the model that made the vectors.")
        }
    }

    /// Documents and queries of the collection.
    func collection() throws -> [CollectionTexts] { try data.map(CollectionTexts.read) ?? [] }
}

/// The texts and images of one role in a collection, without empty ones.
struct CollectionTexts {
    /// The name of the file of their vectors.
    var name: String
    var role: TextRole
    var items: [EmbeddingItem]

    /// Documents and queries of a collection.
    static func read(_ path: String) throws -> [CollectionTexts] {
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: path))
        let documents = collection.documents.map { EmbeddingItem($0) }
        let queries = collection.queries.map { EmbeddingItem($0) }
        func filled(_ items: [EmbeddingItem]) -> [EmbeddingItem] { items.filter { !$0.content.isEmpty } }
        return [
            CollectionTexts(name: "corpus", role: .document, items: filled(documents)),
            CollectionTexts(name: "queries", role: .query, items: filled(queries)),
        ]
    }
}

/// A black box that is never asked: a text that is not cached is an error.
private struct NothingAsked: BlackBox {
    let identity: BlackBoxIdentity

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        throw ProviderError.cacheMisuse(
            path: "cache",
            reason:
                "\(items.count) texts are not cached, for instance '\(items.first?.id ?? "")'; nothing is asked here")
    }
}
