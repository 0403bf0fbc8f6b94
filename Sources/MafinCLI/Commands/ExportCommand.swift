import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinParquet
import MafinPipeline
import MafinProviderWorkflows
import MafinStores

/// `mafin export`: writes an artefact's vectors into a store, and prints the query that searches it.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the vectors of documents into a database or files, and print the query that searches them.",
        usage: """
            mafin export <artefact> --input <file> --to <store> [<options>]
            mafin export <artefact> --to <store> --show-query [--query <text>] [<options>]
            """,
        discussion: """
            --to postgresql://USER@HOST/DATABASE?table=TABLE is a table with pgvector; the password comes from PGPASSWORD or ~/.pgpass. \
            KIND:http://HOST:PORT/NAME is a collection of a server (chroma, qdrant, elasticsearch, opensearch, weaviate), KIND:PATH a folder of files \
            (parquet, npy, faiss, safetensors, and the requests of qdrant, elasticsearch, opensearch, weaviate, milvus, redis).

            The plan is printed before anything is asked: what the store will hold, how it is indexed, and whether the vectors fit. Each text has its \
            hash in the store. A text that is there is neither embedded nor written again, so an interrupted export is continued by the same command. \
            Texts that are no longer in the input stay in the store.

            The weights are in the query, so they can change without a new export. More flags: mafin export --help-hidden
            """)

    @Option(
        help:
            "Documents: a .jsonl file with '_id', 'text' and perhaps 'title', also .gz, a .parquet file with these columns, or a BEIR folder."
    )
    var input: String?

    // A text and no target, because the parser of arguments prints values that it refuses, and an address may hold a password.
    @Option(help: ArgumentHelp("The store.", valueName: "store"))
    var to: String

    @Flag(help: "Only print what would be written, and whether it fits. Nothing is asked.")
    var plan = false

    @Flag(help: "Print the query that searches the store, with the artefact's weights in it.")
    var showQuery = false

    @Option(help: ArgumentHelp("With --show-query: fill in the vectors of this query.", valueName: "text"))
    var query: String?

    @Option(help: .expert("With --show-query: number of results.", "n"))
    var top = 100

    @Option(
        help: .expert(
            "With --show-query: how many candidates each index finds, which the sum then ranks. (default: every row is scored, which is exact, where the store can do that; 1000 elsewhere)",
            "n"))
    var candidates: Int?

    @Flag(help: .expert("With --show-query: ask nothing. The stand-in gives the query's vector of the black box."))
    var offline = false

    @Flag(help: "Store the texts too.")
    var texts = false

    @Flag(help: "Store 16-bit floats: half the size, three digits.")
    var float16 = false

    @Flag(help: "Build no index: searches are exact, and more numbers fit.")
    var noIndex = false

    @Option(
        help: ArgumentHelp(
            "Vectors of the black box that are in the store already: a column of the table, or a name of vectors in the collection. They are only read, and the other vectors are added to the rows that are there.",
            valueName: "black-box=column"))
    var column: [String] = []

    @Option(
        help: .expert(
            "Number of texts that are embedded and written at a time. An interruption loses one such batch at most.",
            "n"))
    var exportBatch = 1024

    @Option(help: .expert("How Parquet files are compressed.", "none|gzip|zstd"))
    var compression = "none"

    @Option(help: .expert("pgvector's index: connections of a node (m).", "n"))
    var hnswConnections = PgvectorIndexOptions().connections

    @Option(help: .expert("pgvector's index: candidates while it is built (ef_construction).", "n"))
    var hnswCandidates = PgvectorIndexOptions().candidates

    @Option(
        help: .expert(
            "Environment variable that holds the key of the store's server. (default: the store's usual one, such as QDRANT_API_KEY)",
            "name"))
    var storeKeyEnv: String?

    @OptionGroup var options: ArtefactOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if input == nil, !showQuery { throw ValidationError("--input is missing: the documents to write.") }
        if query != nil, !showQuery { throw ValidationError("--query is for --show-query.") }
        if let storeKeyEnv, !APIKeyOptions.isVariable(storeKeyEnv) {
            throw ValidationError("--store-key-env takes the name of an environment variable, not the key.")
        }
        try require(
            [
                "--top": top, "--export-batch": exportBatch, "--candidates": candidates,
                "--hnsw-connections": hnswConnections,
                "--hnsw-candidates": hnswCandidates,
            ],
            atLeast: 1)
        _ = try target
        _ = try codec
        _ = try foreign
    }

    private var target: StoreTarget { get throws { try StoreTarget(parsing: to) } }

    private var codec: ParquetCodec {
        get throws {
            guard let codec = ParquetCodec(rawValue: compression), codec != .snappy else {
                throw ValidationError("--compression takes none, gzip or zstd, found '\(compression)'.")
            }
            return codec
        }
    }

    private var foreign: [String: String] {
        get throws {
            var found: [String: String] = [:]
            for pair in column {
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else {
                    throw ValidationError("--column takes black-box=COLUMN, found '\(pair)'.")
                }
                found[parts[0]] = parts[1]
            }
            return found
        }
    }

    private var stores: Stores {
        get throws {
            var stores = Stores()
            (stores.isHalf, stores.wantsIndex, stores.codec, stores.foreign) = (
                float16, !noIndex, try codec, try foreign
            )
            stores.index = PgvectorIndexOptions(connections: hnswConnections, candidates: hnswCandidates)
            let target = try target
            stores.connection = try StoreConnectionChoice(keyVariable: storeKeyEnv).connection(
                to: target.kind, at: target.shown, options.blackBox.asking.connection,
                environment: ProcessInfo.processInfo.environment)
            return stores
        }
    }

    func run() async throws {
        try computing.begin()
        if showQuery { return try await printQuery() }
        guard let input else { return }
        var workflow = ExportWorkflow(
            artefact: options.artefact, input: URL(fileURLWithPath: input), target: try target, context: shared.context,
            openBlackBox: {
                try await options.blackBox.make(shared: shared, default: $0, use: BlackBoxUse(announcesPlans: false))
            })
        workflow.stores = try stores
        (workflow.storesTexts, workflow.isPlanOnly) = (texts, plan)
        workflow.blockSize = options.blockSize(otherwise: exportBatch)
        workflow.announce = { model, next in
            try await options.announce(model, shared, as: .document, next: next)
        }
        let result = try await workflow.run()
        try format.print(result, or: result.text)
    }

    private struct Printed: Encodable { var query: String }

    private func printQuery() async throws {
        var workflow = StoreQueryWorkflow(
            artefact: options.artefact, target: try target, context: shared.context,
            openBlackBox: options.blackBox.opening(shared))
        workflow.stores = try stores
        (workflow.query, workflow.count, workflow.candidates, workflow.isOffline) = (query, top, candidates, offline)
        let text = try await workflow.run()
        try format.print(Printed(query: text), or: text)
    }
}
