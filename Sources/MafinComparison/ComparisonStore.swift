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
///     stand-ins/     the encoders of stand-ins, by seed
/// ```
public struct ComparisonStore: Sendable {
    /// The report's folder.
    public let folder: URL

    /// A store in a folder. The folder need not exist yet.
    public init(folder: URL) {
        self.folder = folder
    }

    var state: URL { folder.appendingPathComponent("state") }
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

    var units: URL { state.appendingPathComponent("units") }

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

    /// The encoder of a stand-in, with its record.
    func standIn(seed: UInt64) -> URL {
        state.appendingPathComponent("stand-ins").appendingPathComponent("\(seed)")
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

    // MARK: The end

    /// Removes the sources and encoders of the given rows that no system needs any more, because another seed is better
    /// on dev.
    /// - Parameter current: a training on which other systems will still be built.
    func prune(_ rows: [ComparisonRow], except current: (contender: Contender, seed: UInt64)? = nil) {
        let files = FileManager.default
        let best = Self.best(rows)
        var needed = Set(best.values.compactMap { row in row.encoder.map { self.name($0, row.seed) } })
        if let current { needed.insert(name(current.contender, current.seed)) }
        let standIns = Set(best.values.filter(\.isOffline).map(\.seed))
        for seed in Set(rows.filter(\.isOffline).map(\.seed)).subtracting(standIns) {
            try? files.removeItem(at: standIn(seed: seed))
        }
        for row in rows where row.sources != nil {
            if best[row.name]?.seed != row.seed { removeSources(of: row.name, seed: row.seed) }
            guard let encoder = row.encoder, !needed.contains(name(encoder, row.seed)) else { continue }
            try? files.removeItem(at: artefact(of: encoder, seed: row.seed))
            for what in ["queries", "documents"] {
                try? files.removeItem(at: vectorFile(what, encoder, row.seed))
            }
        }
    }

    /// Writes the artefact of the chosen system, and removes files that only an unfinished comparison needs.
    func finish(_ chosen: String?) throws {
        let files = FileManager.default
        if let chosen, !files.fileExists(atPath: artefact.path) { try writeArtefact(of: chosen, to: artefact) }
        try? files.removeItem(at: state.appendingPathComponent("checkpoints"))
        try AtomicFile.write(Data(), to: finishedFile)
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

    func read<Value: Decodable>(_ file: URL) throws -> Value? {
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        do {
            return try JSONDecoder().decode(Value.self, from: data)
        } catch {
            throw ComparisonError.damaged(path: file.path, reason: "\(error)")
        }
    }

    func write(_ value: some Encodable, to file: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(try encoder.encode(value), to: file)
    }
}
