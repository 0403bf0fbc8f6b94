import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// How a source of an artefact is stored.
public struct SourceRecord: Sendable, Codable, Hashable {
    /// The kinds of sources that this version reads.
    public enum Kind: String, Sendable, Codable {
        /// The black box; see ``BlackBoxVectorSource``.
        case blackBox = "black-box"
        /// The local encoder; see ``LocalVectorSource``.
        case local
        /// See ``LexicalSource``.
        case bm25
        /// See ``AdapterSource``.
        case adapter
        /// See ``MovedDocuments``.
        case movedDocuments = "moved-documents"
        /// See ``QueryMemory``.
        case queryMemory = "query-memory"
        /// See ``StandInSource``.
        case standIn = "stand-in"
        /// See ``BridgedDocuments``.
        case bridge
    }

    /// Its name, which the weights use.
    public var name: SourceName
    /// What it is.
    public var kind: Kind
    /// Columns of its vectors; `nil` for a source without vectors.
    public var dimension: Int?
    /// The folder inside the artefact that holds its files; `nil` for a source without files of its own. Sources may share
    /// a folder.
    public var folder: String?
    /// Its settings.
    public var settings: [String: ManifestValue] = [:]

    /// A record.
    public init(
        name: SourceName, kind: Kind, dimension: Int? = nil, folder: String? = nil,
        settings: [String: ManifestValue] = [:]
    ) {
        (self.name, self.kind, self.dimension) = (name, kind, dimension)
        (self.folder, self.settings) = (folder, settings)
    }

    /// A setting that must be a number.
    func number(_ setting: String) throws -> Double {
        guard let value = settings[setting]?.number else { throw fault("settings.\(setting)", "a number", "none") }
        return value
    }

    /// A setting that must be a whole number above 0.
    func count(_ setting: String) throws -> Int {
        let value = try number(setting)
        guard let count = Int(exactly: value), count > 0 else {
            throw fault("settings.\(setting)", "a whole number above 0", "\(value)")
        }
        return count
    }

    /// An error about a field of this record.
    func fault(_ field: String, _ expected: String, _ found: String) -> SourceFault {
        SourceFault(field: "sources.\(name).\(field)", expected: expected, found: found)
    }
}

/// A field or a file of a source that cannot be used. ``Artefact`` adds the path.
struct SourceFault: Error {
    var field: String
    var expected: String
    var found: String
}

extension SourceRecord {
    /// Makes the source.
    /// - Parameters:
    ///   - artefact: the artefact's folder.
    ///   - form: the form of the local encoder's vectors.
    /// - Throws: ``SourceFault``; file errors.
    func load(in artefact: URL, form: LocalForm) throws -> any ScoreSource {
        func dimensions() throws -> Int {
            guard let dimension, dimension > 0 else {
                throw fault("dimension", "at least 1", dimension.map(String.init) ?? "none")
            }
            return dimension
        }
        func files() throws -> URL {
            guard let folder else { throw fault("folder", "a folder of the artefact", "none") }
            return artefact.appendingPathComponent(folder, isDirectory: true)
        }
        switch kind {
        case .blackBox: return BlackBoxVectorSource(dimension: try dimensions(), form: form)
        case .local: return LocalVectorSource(dimension: try dimensions())
        case .bm25: return try LexicalSource(self, in: files())
        case .adapter: return try AdapterSource(self, dimension: dimensions(), in: files())
        case .movedDocuments: return try MovedDocuments(self, dimension: dimensions(), in: files())
        case .queryMemory: return try QueryMemory(self, dimension: dimensions(), in: files())
        case .standIn: return try StandInSource(self, dimension: dimensions(), in: files())
        case .bridge: return try BridgedDocuments(self, dimension: dimensions(), in: files())
        }
    }

    /// Reads a file of JSON.
    func json<Value: Decodable>(_ file: URL) throws -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(contentsOf: file))
        } catch let error as DecodingError {
            throw fault("folder", "a readable \(file.lastPathComponent)", error.fault.reason)
        }
    }

    /// Reads a matrix and checks its columns.
    func matrix(_ file: URL, rows: Int, columns: Int) throws -> Matrix {
        let matrix = try NumPyFile.read(file)
        guard matrix.rows == rows, matrix.columns == columns else {
            throw fault(
                "folder", "\(file.lastPathComponent) of \(rows) × \(columns)", "\(matrix.rows) × \(matrix.columns)")
        }
        guard matrix.values.allSatisfy(\.isFinite) else {
            throw fault("folder", "finite numbers in \(file.lastPathComponent)", "others")
        }
        return matrix
    }
}

extension SourceRecord {
    /// Writes rows with their identifiers: `vectors.npy` and `ids.json`.
    static func write(_ ids: [String], _ vectors: Matrix, to folder: URL) throws {
        try NumPyFile.write(vectors, to: folder.appendingPathComponent("vectors.npy"))
        try MafinPipeline.write(ids, to: folder.appendingPathComponent("ids.json"))
    }

    /// Reads rows with their identifiers, each of which occurs once.
    func identifiedRows(columns: Int, in folder: URL) throws -> (ids: [String], vectors: Matrix) {
        let ids: [String] = try json(folder.appendingPathComponent("ids.json"))
        guard Set(ids).count == ids.count else { throw fault("folder", "each id once in ids.json", "others") }
        return (ids, try matrix(folder.appendingPathComponent("vectors.npy"), rows: ids.count, columns: columns))
    }
}

/// Writes a value as JSON.
func write(_ value: some Encodable, to file: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(try encoder.encode(value), to: file)
}

// MARK: Files of each kind

/// `lexical/`: `statistics.json` with the terms of the corpus, and how texts are split into terms.
extension LexicalSource {
    private struct Stored: Codable {
        var documents: Int
        var meanLength: Double
        var terms: [String]
        var documentFrequencies: [Int]
        var stopWords: [String]
        /// Whether the English stemmer reduces words; nil for another language.
        var stems: Bool?
        /// Nil for English. Versions that know English alone miss `stems` then, and do not read the artefact as English.
        var analysis: Analysis?

        struct Analysis: Codable {
            var language: String
            var stems: Bool
        }
    }

    private static let file = "statistics.json"

    /// See ``ScoreSource/record``.
    public var record: SourceRecord {
        SourceRecord(
            name: name, kind: .bm25, folder: "lexical",
            settings: ["k1": .number(weighting.k1), "b": .number(weighting.b), "normalization": .text("query-mass")])
    }

    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws {
        let statistics = weighting.statistics
        let isEnglish = analyzer.language == .english
        try MafinPipeline.write(
            Stored(
                documents: statistics.documentCount, meanLength: statistics.meanLength, terms: statistics.terms,
                documentFrequencies: statistics.documentFrequencies, stopWords: analyzer.stopWords.sorted(),
                stems: isEnglish ? analyzer.stems : nil,
                analysis: isEnglish
                    ? nil : Stored.Analysis(language: analyzer.language.rawValue, stems: analyzer.stems)),
            to: folder.appendingPathComponent(Self.file))
    }

    init(_ record: SourceRecord, in folder: URL) throws {
        let stored: Stored = try record.json(folder.appendingPathComponent(Self.file))
        let (k1, b) = (try record.number("k1"), try record.number("b"))
        guard k1 >= 0, (0...1).contains(b), stored.meanLength > 0,
            stored.terms.count == stored.documentFrequencies.count,
            Set(stored.terms).count == stored.terms.count
        else {
            throw record.fault(
                "settings", "k1 of at least 0, b in 0…1, a mean length above 0, and one frequency per term", "others")
        }
        let name = stored.analysis?.language ?? Language.english.rawValue
        guard let stems = stored.analysis?.stems ?? stored.stems else {
            throw record.fault("folder", "'stems' or 'analysis' in \(Self.file)", "neither")
        }
        guard let language = Language(rawValue: name) else {
            let known = Language.allCases.map(\.rawValue).joined(separator: ", ")
            throw record.fault("folder", "a known language in \(Self.file) (\(known))", "'\(name)'")
        }
        self.init(
            BM25Weighting(
                LexicalStatistics(
                    documentCount: stored.documents, meanLength: stored.meanLength, terms: stored.terms,
                    documentFrequencies: stored.documentFrequencies), k1: k1, b: b),
            analyzer: TextAnalyzer(language: language, stopWords: Set(stored.stopWords), stems: stems))
    }
}

/// `adapter/`: `weights.npy`, one row.
extension AdapterSource {
    private static let file = "weights.npy"

    /// See ``ScoreSource/record``.
    public var record: SourceRecord {
        var settings: [String: ManifestValue] = [
            "mapsDocuments": .boolean(mapsDocuments), "strength": .number(Double(adapter.strength)),
        ]
        if case .twoLayer(let hidden) = adapter.shape { settings["hidden"] = .integer(Int64(hidden)) }
        return SourceRecord(name: name, kind: .adapter, dimension: dimension, folder: name.rawValue, settings: settings)
    }

    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws {
        try NumPyFile.write(
            Matrix(rows: 1, columns: adapter.weights.count, values: adapter.weights),
            to: folder.appendingPathComponent(Self.file))
    }

    init(_ record: SourceRecord, dimension: Int, in folder: URL) throws {
        let hidden = try record.settings["hidden"].map { _ in Int(try record.number("hidden")) }
        guard case .boolean(let mapsDocuments)? = record.settings["mapsDocuments"] else {
            throw record.fault("settings.mapsDocuments", "true or false", "none")
        }
        if let hidden, hidden < 1 { throw record.fault("settings.hidden", "at least 1", "\(hidden)") }
        var adapter = Adapter(
            shape: hidden.map { .twoLayer(hidden: $0) } ?? .linear, dimension: dimension, seed: 0)
        adapter.weights = try record.matrix(
            folder.appendingPathComponent(Self.file), rows: 1, columns: adapter.weights.count
        ).values
        adapter.strength = Float(try record.number("strength"))
        self.init(adapter, mapsDocuments: mapsDocuments, name: record.name)
    }
}

/// `moved-documents/`: `vectors.npy` and `ids.json`.
extension MovedDocuments {
    /// See ``ScoreSource/record``.
    public var record: SourceRecord {
        SourceRecord(name: name, kind: .movedDocuments, dimension: dimension, folder: name.rawValue)
    }

    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws {
        try SourceRecord.write(ids, moved, to: folder)
    }

    init(_ record: SourceRecord, dimension: Int, in folder: URL) throws {
        let (ids, vectors) = try record.identifiedRows(columns: dimension, in: folder)
        self.init(ids: ids, vectors: vectors, name: record.name)
    }
}

/// `stand-in/`: `black-box-head.npy`, and `local-head.npy` if there is a local encoder. The encoder lies beside them.
extension StandInSource {
    /// See ``ScoreSource/record``.
    public var record: SourceRecord {
        SourceRecord(
            name: name, kind: .standIn, dimension: dimension, folder: EncoderRecord.standInFolder,
            settings: [
                "inputs": .integer(Int64(heads.inputs)), "localDimension": .integer(Int64(heads.local?.columns ?? 0)),
            ]
        )
    }

    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws {
        try NumPyFile.write(heads.blackBox, to: folder.appendingPathComponent("black-box-head.npy"))
        if let local = heads.local { try NumPyFile.write(local, to: folder.appendingPathComponent("local-head.npy")) }
    }

    init(_ record: SourceRecord, dimension: Int, in folder: URL) throws {
        let (inputs, local) = (try record.number("inputs"), try record.number("localDimension"))
        guard (1...65_536).contains(inputs), (0...65_536).contains(local) else {
            throw record.fault(
                "settings", "inputs in 1…65536 and a localDimension in 0…65536", "\(inputs) and \(local)")
        }
        func head(_ name: String, _ columns: Int) throws -> Matrix {
            try record.matrix(folder.appendingPathComponent(name), rows: Int(inputs) + 1, columns: columns)
        }
        self.init(
            StandInHeads(
                blackBox: try head("black-box-head.npy", dimension),
                local: local == 0 ? nil : try head("local-head.npy", Int(local))))
    }
}

/// `memory/`, or another folder: `queries.npy` and `answers.json`, the ids of each query's answers. Memories of different τ share it.
extension QueryMemory {
    /// See ``ScoreSource/record``.
    public var record: SourceRecord {
        SourceRecord(
            name: name, kind: .queryMemory, dimension: known.queries.columns, folder: self.folder,
            settings: [
                "bandwidth": .number(Double(bandwidth)), "sharing": .number(sharing), "reach": .number(Double(reach)),
            ])
    }

    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws {
        try NumPyFile.write(known.queries, to: folder.appendingPathComponent("queries.npy"))
        try MafinPipeline.write(known.answers, to: folder.appendingPathComponent("answers.json"))
    }

    init(_ record: SourceRecord, dimension: Int, in folder: URL) throws {
        let answers: [[String]] = try record.json(folder.appendingPathComponent("answers.json"))
        let (bandwidth, sharing) = (Float(try record.number("bandwidth")), try record.number("sharing"))
        let reach = Float(try record.number("reach"))
        guard bandwidth > 0, bandwidth.isFinite, (0...1).contains(sharing), (-1...1).contains(reach) else {
            throw record.fault(
                "settings", "a bandwidth above 0, a sharing in 0…1 and a reach in −1…1",
                "\(bandwidth), \(sharing) and \(reach)")
        }
        self.init(
            Known(
                queries: try record.matrix(
                    folder.appendingPathComponent("queries.npy"), rows: answers.count, columns: dimension),
                answers: answers), bandwidth: bandwidth, sharing: sharing, reach: reach, name: record.name,
            folder: record.folder ?? Self.standardFolder)
    }
}
