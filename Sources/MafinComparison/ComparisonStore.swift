import Foundation
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The folder of a report, with the state from which an interrupted comparison resumes.
///
/// ```
/// REPORT/
///   artefact/        the artefact of the system that was chosen on dev
///   runs/            each system's ranking of the measured queries, as TREC runs
///   state/           plan, finished parts, checkpoints of the current training
///     systems/       the sources and weights of each system that can be shipped, of its best seed
///     artefacts/     the trained encoders of these systems, as artefacts of their methods
/// ```
public struct ComparisonStore: Sendable {
    /// The report's folder.
    public let folder: URL

    /// A store in a folder. The folder need not exist yet.
    public init(folder: URL) {
        self.folder = folder
    }

    private var state: URL { folder.appendingPathComponent("state") }
    private var planFile: URL { state.appendingPathComponent("plan.json") }

    /// The folder of the artefact of the system that was chosen on dev, written at the end.
    public var artefact: URL { folder.appendingPathComponent("artefact") }
    /// The folder of rankings.
    public var runs: URL { folder.appendingPathComponent("runs") }

    /// The plan with which the folder was begun; `nil` for a new folder.
    /// - Throws: ``ComparisonError/occupied(path:)`` for a folder that holds something else; ``ComparisonError/damaged(path:reason:)``.
    public func storedPlan() throws -> ComparisonPlan? {
        if let plan: ComparisonPlan = try read(planFile) { return plan }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        guard files.isEmpty else { throw ComparisonError.occupied(path: folder.path) }
        return nil
    }

    /// Begins a comparison: makes the folders and writes the plan. Fails if the folder is not writable.
    public func write(_ plan: ComparisonPlan) throws {
        for folder in [state, units, runs, vectors, artefacts, systems] {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        try write(plan, to: planFile)
    }

    // MARK: Finished parts

    private var units: URL { state.appendingPathComponent("units") }

    func unit(_ name: String) throws -> ComparisonUnit? { try read(units.appendingPathComponent(name + ".json")) }

    func write(_ unit: ComparisonUnit, _ name: String) throws {
        try write(unit, to: units.appendingPathComponent(name + ".json"))
    }

    /// Number of ranks of a run that its file holds.
    static let runDepth = 100

    func write(_ run: Run, of name: String, seed: UInt64, isFirstSeed: Bool) throws {
        var cut = Run()
        for query in run.queryIds { cut.setRanking(Array((run[query] ?? []).prefix(Self.runDepth)), for: query) }
        try cut.write(to: runFile(of: name, seed: isFirstSeed ? nil : seed), tag: name)
    }

    /// The file of a system's ranking.
    /// - Parameter seed: `nil`: the first seed.
    public func runFile(of name: String, seed: UInt64? = nil) -> URL {
        runs.appendingPathComponent(name + (seed.map { ".seed-\($0)" } ?? "") + ".run")
    }

    // MARK: Trained encoders

    private var vectors: URL { state.appendingPathComponent("vectors") }
    private var artefacts: URL { state.appendingPathComponent("artefacts") }

    private func name(_ contender: Contender, _ seed: UInt64) -> String { "\(contender.rawValue).\(seed)" }

    /// The artefact of a trained method. After the end only those of ``shippable()`` are left.
    package func artefact(of contender: Contender, seed: UInt64) -> URL {
        artefacts.appendingPathComponent(name(contender, seed))
    }

    func checkpoints(of contender: Contender, seed: UInt64) -> URL {
        state.appendingPathComponent("checkpoints").appendingPathComponent(name(contender, seed))
    }

    /// Writes an encoder's vectors.
    ///
    /// - Parameter documents: `nil` if documents were not trained.
    func write(queries: Matrix, documents: Matrix?, of contender: Contender, seed: UInt64) throws {
        try NumPyFile.write(queries, to: vectorFile("queries", contender, seed))
        if let documents { try NumPyFile.write(documents, to: vectorFile("documents", contender, seed)) }
    }

    func vectors(of contender: Contender, seed: UInt64) throws -> (queries: Matrix, documents: Matrix?) {
        let documents = vectorFile("documents", contender, seed)
        return (
            try NumPyFile.read(vectorFile("queries", contender, seed)),
            FileManager.default.fileExists(atPath: documents.path) ? try NumPyFile.read(documents) : nil
        )
    }

    private func vectorFile(_ what: String, _ contender: Contender, _ seed: UInt64) -> URL {
        vectors.appendingPathComponent("\(name(contender, seed)).\(what).npy")
    }

    // MARK: Systems that can be shipped

    private var systems: URL { state.appendingPathComponent("systems") }

    private func sources(of name: String, seed: UInt64) -> URL {
        systems.appendingPathComponent("\(name).\(seed)")
    }

    /// Writes the sources and the weights of a sum, whole or not at all.
    /// - Parameter mixture: how the trained encoder of the sum was mixed with the black box; `nil`: it has none.
    func write(_ sum: SourceSystem, mixture: Mixture?, of name: String, seed: UInt64) throws {
        try AtomicFile.replaceDirectory(at: sources(of: name, seed: seed)) { folder in
            var written: Set<String> = []
            for source in sum.sources {
                guard let part = source.record.folder, written.insert(part).inserted else { continue }
                let folder = folder.appendingPathComponent(part, isDirectory: true)
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try source.write(to: folder)
            }
            try write(sum.weights, to: folder.appendingPathComponent("weights.json"))
            try write(sum.sources.map(\.record), to: folder.appendingPathComponent("sources.json"))
        }
    }

    /// A system that can be shipped, with the seed that is best on dev.
    public struct Shippable: Sendable {
        /// Its name in the table.
        public var name: String
        /// The seed that is best on dev; the first of equally good ones.
        public var seed: UInt64
        /// The folder with its sources and weights; `nil` if it is the artefact of its method as it is.
        public var sources: URL?
        /// The artefact that holds its trained encoder; `nil` if it has none.
        public var artefact: URL?
    }

    /// The names of the systems that can be shipped, the best on dev first.
    /// - Throws: ``ComparisonError/damaged(path:reason:)``.
    public func shippable() throws -> [String] {
        let seeds = Dictionary(grouping: try recordedRows().filter { $0.sources != nil }, by: \.name)
        let means = seeds.mapValues { $0.reduce(0) { $0 + $1.development } / Double($0.count) }
        return means.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }

    /// What is needed to ship a system.
    /// - Throws: ``ComparisonError/notShippable(path:name:names:)``; ``ComparisonError/damaged(path:reason:)``.
    public func shippable(_ name: String) throws -> Shippable {
        let rows = try recordedRows().filter { $0.name == name && $0.sources != nil }
        guard let best = Self.best(rows)[name] else {
            throw ComparisonError.notShippable(path: folder.path, name: name, names: try shippable())
        }
        return shippable(best)
    }

    func shippable(_ row: ComparisonRow) -> Shippable {
        let sources = sources(of: row.name, seed: row.seed)
        return Shippable(
            name: row.name, seed: row.seed,
            sources: FileManager.default.fileExists(atPath: sources.path) ? sources : nil,
            artefact: row.encoder.map { artefact(of: $0, seed: row.seed) })
    }

    /// The rows of all recorded parts, seeds of a system in ascending order.
    private func recordedRows() throws -> [ComparisonRow] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: units.path)) ?? []
        let rows = try files.filter { $0.hasSuffix(".json") }.flatMap { file in
            let unit: ComparisonUnit? = try read(units.appendingPathComponent(file))
            return unit?.rows ?? []
        }
        return rows.sorted { ($0.name, $0.seed) < ($1.name, $1.seed) }
    }

    /// For each system that can be shipped the row of its best seed on dev, the first of equally good ones.
    static func best(_ rows: [ComparisonRow]) -> [String: ComparisonRow] {
        Dictionary(rows.filter { $0.sources != nil }.map { ($0.name, $0) }) {
            $1.development > $0.development ? $1 : $0
        }
    }

    /// Removes the sources and encoders of the given rows that no system needs any more, because another seed is better
    /// on dev.
    /// - Parameter current: a training on which other systems will still be built.
    func prune(_ rows: [ComparisonRow], except current: (contender: Contender, seed: UInt64)? = nil) {
        let files = FileManager.default
        let best = Self.best(rows)
        var needed = Set(best.values.compactMap { row in row.encoder.map { self.name($0, row.seed) } })
        if let current { needed.insert(name(current.contender, current.seed)) }
        for row in rows where row.sources != nil {
            if best[row.name]?.seed != row.seed { try? files.removeItem(at: sources(of: row.name, seed: row.seed)) }
            guard let encoder = row.encoder, !needed.contains(name(encoder, row.seed)) else { continue }
            try? files.removeItem(at: artefact(of: encoder, seed: row.seed))
            for what in ["queries", "documents"] {
                try? files.removeItem(at: vectorFile(what, encoder, row.seed))
            }
        }
    }

    /// Writes the artefact of the chosen system, and removes files that only an unfinished comparison needs.
    func finish(_ chosen: Shippable?) throws {
        let files = FileManager.default
        if let chosen, !files.fileExists(atPath: artefact.path) { try ship(chosen) }
        try? files.removeItem(at: state.appendingPathComponent("checkpoints"))
        try AtomicFile.write(Data(), to: finishedFile)
    }

    /// Writes the artefact of a system to ``artefact``, whole or not at all.
    private func ship(_ system: Shippable) throws {
        guard let encoder = system.artefact else { return }
        let files = FileManager.default
        let copy = state.appendingPathComponent("artefact.copy")
        try? files.removeItem(at: copy)
        try files.copyItem(at: encoder, to: copy)
        try files.moveItem(at: copy, to: artefact)
    }

    private var finishedFile: URL { state.appendingPathComponent("finished") }

    /// Whether ``finish(_:)`` was called. Missing parts are not made after that. Earlier versions removed the artefacts
    /// instead.
    var isFinished: Bool {
        let files = FileManager.default
        return files.fileExists(atPath: finishedFile.path)
            || files.fileExists(atPath: planFile.path) && !files.fileExists(atPath: artefacts.path)
    }

    // MARK: Files

    private func read<Value: Decodable>(_ file: URL) throws -> Value? {
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        do {
            return try JSONDecoder().decode(Value.self, from: data)
        } catch {
            throw ComparisonError.damaged(path: file.path, reason: "\(error)")
        }
    }

    private func write(_ value: some Encodable, to file: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(try encoder.encode(value), to: file)
    }
}
