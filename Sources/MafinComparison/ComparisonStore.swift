import Foundation
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The folder of a report, with the state from which an interrupted comparison resumes.
///
/// ```
/// REPORT/
///   artefact/        the chosen method's artefact
///   runs/            each system's ranking of the measured queries, as TREC runs
///   state/           plan, finished parts, checkpoints of the current training
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

    /// The folder of the chosen artefact, written at the end.
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
        for folder in [state, units, runs, vectors, artefacts] {
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

    func artefact(of contender: Contender, seed: UInt64) -> URL {
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

    /// Moves the chosen artefact to its place and removes files that only an unfinished comparison needs.
    func finish(_ chosen: TrainingRecord?) throws {
        let files = FileManager.default
        if let chosen, !files.fileExists(atPath: artefact.path) {
            try files.moveItem(at: artefact(of: chosen.contender, seed: chosen.seed), to: artefact)
        }
        try? files.removeItem(at: artefacts)
        try? files.removeItem(at: state.appendingPathComponent("checkpoints"))
        for file in (try? files.contentsOfDirectory(atPath: vectors.path)) ?? [] {
            if let chosen, file.hasPrefix(name(chosen.contender, chosen.seed) + ".") { continue }
            try? files.removeItem(at: vectors.appendingPathComponent(file))
        }
    }

    /// Whether ``finish(_:)`` was called. Missing parts are not made after that.
    var isFinished: Bool {
        FileManager.default.fileExists(atPath: planFile.path) && !FileManager.default.fileExists(atPath: artefacts.path)
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
