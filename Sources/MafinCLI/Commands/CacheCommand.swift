import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinPostgreSQL
import MafinProviders
import MafinReport

/// `mafin cache`: the vectors that have been paid for.
struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "Count, check, clean, export and import the vectors that have been paid for.",
        discussion: """
            The cache is one SQLite file: by default embeddings.sqlite in MAFIN_CACHE, or in mafin's folder among the user's caches. Several \
            processes can use it at the same time. Copy it only while none does.
            """,
        subcommands: [
            CacheStatsCommand.self, CacheVerifyCommand.self, CacheCleanCommand.self, CacheExportCommand.self,
            CacheImportCommand.self,
        ])
}

/// The flag that names the cache.
struct CacheOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("File of the cache. (default: the user's own, see 'mafin cache --help')", valueName: "file"),
        completion: .file())
    var cache: String?

    func validate() throws {
        if let cache, PostgreSQLAddress.isOne(cache) {
            throw ValidationError(
                "'mafin cache' works on files; a cache in PostgreSQL has tables named mafin_…, for psql.")
        }
    }

    /// The file of the cache.
    var file: URL { cache.map { URL(fileURLWithPath: $0) } ?? EmbeddingCache.defaultFile() }

    /// Whether there is a cache.
    var exists: Bool { FileManager.default.fileExists(atPath: file.path) }

    /// Opens the cache. It is not created.
    func open(_ shared: SharedOptions) throws -> EmbeddingCache {
        guard exists else { throw ProviderError.cacheUnusable(path: file.path, reason: "there is no such file") }
        return try EmbeddingCache(file: file, logger: shared.logger)
    }
}

/// `mafin cache stats`
struct CacheStatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show how many vectors of which models are stored, and how much space they take.")

    @OptionGroup var options: CacheOptions

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let statistics =
            options.exists ? try await options.open(shared).statistics() : .empty(path: options.file.path)
        if format.json {
            try JSONOutput.print(statistics)
            return
        }
        guard options.exists else {
            print("0 vectors: there is no cache at \(statistics.path) yet")
            return
        }
        print(Self.table(statistics).text(), terminator: "")
        print("\(statistics.vectors) vectors, \(MemorySize(bytes: statistics.bytes)) in \(statistics.path)")
        if statistics.replies > 0 { print("\(statistics.replies) replies of language models") }
        for (spent, what) in [
            (statistics.spentOnVectorsToday, "vectors"), (statistics.spentOnRepliesToday, "replies"),
        ] where spent.requests > 0 {
            print("\(Money.text(spent.cost)) spent on \(what) today (UTC), in \(spent.requests) requests")
        }
        if statistics.pendingJobs > 0 {
            print("\(statistics.pendingJobs) batches are not collected yet: mafin batch list")
        }
    }

    static func table(_ statistics: CacheStatistics) -> Table {
        var table = Table(columns: [
            .init("source", .right), .init("model"), .init("asked as"), .init("dimension", .right),
            .init("vectors", .right), .init("size", .right), .init("last"),
        ])
        for source in statistics.sources {
            let fields = source.fields
            let details = [fields["inputType"], fields["prefix"].flatMap { $0.isEmpty ? nil : "'\($0)'" }].compactMap {
                $0
            }
            table.append([
                "\(source.id)", "\(fields["provider"] ?? "?"):\(fields["model"] ?? "?")",
                details.isEmpty ? "–" : details.joined(separator: ", "), "\(source.dimension)",
                "\(source.vectors)" + (source.float16 > 0 ? " (\(source.float16) float16)" : ""),
                MemorySize(bytes: source.bytes).description,
                source.last.map { $0.formatted(.iso8601.year().month().day()) } ?? "–",
            ])
        }
        return table
    }
}

/// `mafin cache verify`
struct CacheVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read every vector and compare it with its checksum. Ends with status 65 if one is damaged.")

    @OptionGroup var options: CacheOptions

    @Flag(help: "Remove damaged vectors. They are asked for again when they are needed.")
    var repair = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let cache = try options.open(shared)
        let bar = shared.progressBar("Verifying", total: try await cache.count(), unit: "vectors")
        let result = try await Interruption.cancelling {
            try await cache.verify(repairing: repair) { done, _ in bar.update(completed: done) }
        }
        bar.finish()
        let removed = repair && result.damaged > 0 ? " and removed" : ""
        let lines =
            ["\(result.checked) vectors checked, \(result.damaged) damaged\(removed)"]
            + result.file.map { "file: \($0)" } + result.examples
        try format.print(result, or: lines.joined(separator: "\n"))
        if !result.isSound, !(repair && result.file.isEmpty) { throw ExitCode(CommandStatus.data.rawValue) }
    }
}

/// `mafin cache gc`
struct CacheCleanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove vectors that are no longer wanted, and what crashed processes left behind.",
        discussion: "Without --source and --older-than no vector is removed. Removed vectors have to be paid for again."
    )

    @OptionGroup var options: CacheOptions

    @Option(
        help: ArgumentHelp("Source to remove, by its number in 'mafin cache stats'. May be repeated.", valueName: "n"))
    var source: [Int64] = []

    @Option(help: ArgumentHelp("Remove only vectors stored more than this many days ago.", valueName: "days"))
    var olderThan: Double?

    @Flag(help: "Only show what would be removed.")
    var dryRun = false

    @Flag(help: "Give the freed space back to the disk. Needs as much free space as the remaining vectors take.")
    var compact = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if let olderThan, !(olderThan >= 0 && olderThan < 1e6) {
            throw ValidationError("--older-than takes a number of days.")
        }
    }

    func run() async throws {
        let cache = try options.open(shared)
        let result = try await cache.clean(
            CacheCleaning(
                sources: source, before: olderThan.map { Date().addingTimeInterval(-$0 * 86_400) }, isTrial: dryRun,
                compacts: compact))
        if format.json {
            try JSONOutput.print(result)
            return
        }
        print("\(result.vectors) vectors \(dryRun ? "would be " : "")removed")
        if compact, !dryRun {
            print(
                "\(MemorySize(bytes: max(1, result.bytesBefore))) before, \(MemorySize(bytes: max(1, result.bytesAfter))) now"
            )
        }
    }
}
