import ArgumentParser
import Foundation
import MafinCommandLine
import MafinProviderWorkflows
import MafinStores

/// `mafin import`: takes vectors that a user already has into a folder that `vectors:` reads.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Take vectors from a database or a Parquet file, so that none is paid for twice.",
        usage: "mafin import <source> --output <folder> [--queries <source>] [<options>]",
        discussion: """
            SOURCE is postgresql://USER@HOST/DATABASE?table=TABLE&id=COLUMN&vector=COLUMN (a column of pgvector or of float arrays; the password comes \
            from PGPASSWORD or ~/.pgpass), chroma:http://HOST:PORT/COLLECTION, qdrant:http://HOST:PORT/COLLECTION?vector=NAME or \
            FILE.parquet?id=COLUMN&vector=COLUMN.

            The folder appears when all is done. --black-box vectors:FOLDER reads it, and 'mafin cache import' puts it into the cache of an API's \
            answers. --black-box vectors:SOURCE does this in one step, each time anew.
            """)

    // Texts and no sources, because the parser of arguments prints values that it refuses, and an address may hold a password.
    @Argument(help: "Where the vectors of documents are.")
    var source: String

    @Option(name: .shortAndLong, help: "Folder for the vectors. One that an import wrote is replaced.")
    var output: String

    @Option(
        help: ArgumentHelp("Where the vectors of queries are, if they are stored too.", valueName: "source"))
    var queries: String?

    @Option(
        help: .expert(
            "Environment variable that holds the key of the store's server. (default: the store's usual one, such as QDRANT_API_KEY)",
            "name"))
    var storeKeyEnv: String?

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if let storeKeyEnv, !APIKeyOptions.isVariable(storeKeyEnv) {
            throw ValidationError("--store-key-env takes the name of an environment variable, not the key.")
        }
        try requireFolder(output: output)
        for text in [source, queries].compactMap({ $0 }) { _ = try VectorImport(parsing: text) }
    }

    func run() async throws {
        Interruption.install()
        let documents = try VectorImport(parsing: source)
        var workflow = ImportWorkflow(documents, to: URL(fileURLWithPath: output), context: shared.context)
        workflow.queries = try queries.map(VectorImport.init(parsing:))
        func connection(_ source: VectorImport) throws -> StoreConnection {
            try StoreConnectionChoice(keyVariable: storeKeyEnv).connection(
                to: source.kind, at: source.shown, ConnectionChoice(),
                environment: ProcessInfo.processInfo.environment)
        }
        workflow.connection = try connection(documents)
        if let queries = workflow.queries { workflow.queriesConnection = try connection(queries) }
        let result = try await workflow.run()
        try format.print(result, or: result.text)
    }
}
