import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Systems that can be shipped: what is kept of them, and how an artefact is made of it.
extension ComparisonStore {
    var systems: URL { state.appendingPathComponent("systems") }

    private func sources(of name: String, seed: UInt64) -> URL { systems.appendingPathComponent("\(name).\(seed)") }

    private func development(of name: String, seed: UInt64) -> URL {
        systems.appendingPathComponent("\(name).\(seed).dev.json")
    }

    private var commonFile: URL { state.appendingPathComponent("shipment.json") }

    /// What the artefacts of all systems have in common.
    struct Common: Codable {
        var blackBoxSource: BlackBoxSource?
        var blackBoxDimension: Int
        var data: [ArtefactManifest.DataRecord]
        /// ``KnownQueries/lines``.
        var knownQueries: Data
        /// ``QueryPartition/tooFewNewSets`` of dev.
        var tooFewNewSets: Int?
    }

    func write(_ common: Common) throws {
        // A comparison that an earlier version began has no such folder.
        try FileManager.default.createDirectory(at: systems, withIntermediateDirectories: true)
        try write(common, to: commonFile)
    }

    /// Writes a fitted system: its sources with their weights, and its figures on dev.
    func write(_ system: ShippedSources, of name: String, seed: UInt64, development: EvaluationReport) throws {
        try write(development, to: self.development(of: name, seed: seed))
        try system.write(to: sources(of: name, seed: seed))
    }

    func removeSources(of name: String, seed: UInt64) {
        for file in [sources(of: name, seed: seed), development(of: name, seed: seed)] {
            try? FileManager.default.removeItem(at: file)
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

    func developmentReport(of row: ComparisonRow) throws -> EvaluationReport? {
        try read(development(of: row.name, seed: row.seed))
    }

    /// The names of the systems that can be shipped, the best on dev first. A system that asks the black box for nothing is
    /// shipped beside another one.
    /// - Throws: ``ComparisonError/damaged(path:reason:)``.
    public func shippable() throws -> [String] {
        let seeds = Dictionary(
            grouping: try recordedRows().filter { $0.sources != nil && !$0.isOffline }, by: \.name)
        let means = seeds.mapValues { $0.reduce(0) { $0 + $1.development } / Double($0.count) }
        return means.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }

    /// What is needed to ship a system.
    /// - Throws: ``ComparisonError/notShippable(path:name:names:)``; ``ComparisonError/damaged(path:reason:)``.
    public func shippable(_ name: String) throws -> Shippable {
        let rows = try recordedRows().filter { $0.name == name && $0.sources != nil && !$0.isOffline }
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
    func recordedRows() throws -> [ComparisonRow] { try recordedUnits().flatMap(\.rows).sorted(by: Self.order) }

    private static func order(_ row: ComparisonRow, _ other: ComparisonRow) -> Bool {
        (row.name, row.seed) < (other.name, other.seed)
    }

    private func recordedUnits() throws -> [ComparisonUnit] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: units.path)) ?? []
        return try files.filter { $0.hasSuffix(".json") }.compactMap { file in
            try read(units.appendingPathComponent(file))
        }
    }

    /// What asking for some queries brings, beside the sum that asks for nothing, on dev; `nil` if values of single queries
    /// are missing.
    private func asking(_ offline: ComparisonRow, _ system: Shippable) throws -> [Sureness.Point]? {
        let units = try recordedUnits()
        func values(_ name: String, _ seed: UInt64) -> [Double]? {
            units.first { $0.rows.contains { $0.name == name && $0.seed == seed } }?.developmentValues?[name]?
                .map(Double.init)
        }
        guard let sureness = offline.sureness?.development, let mine = values(offline.name, offline.seed),
            let asked = values(system.name, system.seed), sureness.count == mine.count, mine.count == asked.count
        else { return nil }
        return Sureness.curve(sureness: sureness.map(Double.init), offline: mine, asked: asked)
    }

    /// For each system that can be shipped the row of its best seed on dev, the first of equally good ones.
    static func best(_ rows: [ComparisonRow]) -> [String: ComparisonRow] {
        Dictionary(rows.filter { $0.sources != nil }.map { ($0.name, $0) }) {
            $1.development > $0.development ? $1 : $0
        }
    }

    /// Writes the artefact of a system, whole or not at all. An artefact that is there already is replaced.
    /// - Throws: ``ComparisonError``; ``ArtefactError``; file errors.
    @discardableResult
    public func ship(_ name: String, to target: URL) throws -> Artefact {
        try writeArtefact(of: name, to: target)
        return try Artefact(readingFrom: target)
    }

    func writeArtefact(of name: String, to target: URL) throws {
        let system = try shippable(name)
        let rows = try recordedRows()
        let isAsItWasTrained = system.sources == nil
        if isAsItWasTrained, let artefact = system.artefact, !rows.contains(where: \.isOffline) {
            return try copy(artefact, to: target)
        }
        let trained = try system.artefact.map { try Artefact(readingFrom: $0) }
        let sources: ShippedSources
        if let folder = system.sources {
            sources = try ShippedSources(readingFrom: folder)
        } else if let trained {
            sources = ShippedSources(try trained.sources(), mixture: trained.manifest.mixing)
        } else {
            throw ComparisonError.damaged(
                path: self.sources(of: name, seed: system.seed).path, reason: "there is no such folder")
        }
        let offline = offlineRow(beside: system.artefact, form: sources.mixture.localForm, among: rows)
        if isAsItWasTrained, offline == nil, let artefact = system.artefact { return try copy(artefact, to: target) }
        let encoder = offline.flatMap { row in row.encoder.map { artefact(of: $0, seed: row.seed) } }
        try Artefact.ship(
            sources, shipment(of: system, sources, isAsItWasTrained ? trained?.manifest : nil),
            standIn: offline.map { try shippedStandIn(of: $0, asking: asking($0, system)) },
            encoderFrom: trained ?? encoder.map { try Artefact(readingFrom: $0) }, to: target)
    }

    /// The parts of an artefact's manifest that the sources do not tell.
    /// - Parameter trained: the manifest of a method that is shipped as it was trained, whose figures on dev it has.
    private func shipment(
        of system: Shippable, _ sources: ShippedSources, _ trained: ArtefactManifest?
    ) throws -> Artefact.Shipment {
        guard let plan = try storedPlan(), let common: Common = try read(commonFile),
            let development: EvaluationReport = try trained?.development
                ?? read(self.development(of: system.name, seed: system.seed))
        else { throw ComparisonError.damaged(path: state.path, reason: "files are missing") }
        return Artefact.Shipment(
            system: system.name, blackBox: plan.blackBox, blackBoxSource: common.blackBoxSource,
            blackBoxDimension: common.blackBoxDimension, data: common.data, development: development,
            test: try measured(system, plan),
            verdict: trained?.verdict
                ?? Verdict(
                    lambda: sources.mixture.lambda, development: development,
                    system: ArtefactEvaluation.artefactName, metric: plan.metric,
                    tooFewNewSets: common.tooFewNewSets),
            knownQueries: try KnownQueries(lines: common.knownQueries, path: commonFile.path))
    }

    /// The figures of the system's best seed on the measured split, beside the black box's.
    private func measured(_ system: Shippable, _ plan: ComparisonPlan) throws -> EvaluationReport? {
        let rows = try recordedRows()
        let blackBox = StandardRivals.blackBoxName
        guard let other = rows.first(where: { $0.name == blackBox }),
            let mine = rows.first(where: { $0.name == system.name && $0.seed == system.seed })
        else { return nil }
        return try EvaluationReport(
            split: plan.request.split,
            evaluations: [(blackBox, other.evaluation), (ArtefactEvaluation.artefactName, mine.evaluation)],
            baseline: blackBox, metrics: plan.request.metrics)
    }

    private func copy(_ artefact: URL, to target: URL) throws {
        try Artefact.requireReplaceable(target)
        try AtomicFile.replaceDirectory(at: target) { try AtomicFile.copyContents(of: artefact, to: $0) }
    }
}
