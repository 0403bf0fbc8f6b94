import Foundation
import MafinMethod
import MafinNumerics

/// The inner product of the black box's query vector with document vectors that are kept in the artefact, because the
/// black box was not asked for all documents. If these vectors lie in another space, a ``VectorMap`` takes the query there.
///
/// A document is known by its identifier. One that was added later has a vector of zeros, and so the score 0.
public struct BridgedDocuments: DenseSource {
    /// Identifiers of the documents.
    public let ids: [String]
    /// Their unit rows, `(ids.count, dimension)`.
    public let vectors: Matrix
    /// Takes the black box's vectors of queries into the space of ``vectors``; `nil`: they are in one space.
    public let map: VectorMap?
    private let rows: [String: Int]

    /// - Precondition: one identifier per row, none twice, and a map into the space of the rows.
    public init(ids: [String], vectors: Matrix, map: VectorMap? = nil) {
        precondition(ids.count == vectors.rows, "\(ids.count) identifiers of \(vectors.rows) vectors")
        precondition(map == nil || map?.outputDimension == vectors.columns, "a map into another space")
        (self.ids, self.vectors, self.map) = (ids, vectors, map)
        rows = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    }

    /// The name of every such source.
    public static let sourceName = SourceName(rawValue: "bridge")

    /// ``sourceName``.
    public var name: SourceName { Self.sourceName }
    /// Columns of its vectors.
    public var dimension: Int { vectors.columns }
    /// Its own.
    public var documentVectors: SourceName { name }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .blackBox }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .identifier }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) -> Matrix {
        guard let vectors = queries.blackBox else { preconditionFailure("the black box's vectors are missing") }
        return map.map { $0(vectors) } ?? vectors
    }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) -> Matrix {
        precondition(documents.ids.count == documents.count, "the identifiers are missing")
        if documents.ids == ids { return vectors }
        var result = Matrix(rows: documents.ids.count, columns: dimension)
        for (row, id) in documents.ids.enumerated() {
            guard let place = rows[id] else { continue }
            result.values.replaceSubrange(row * dimension..<(row + 1) * dimension, with: vectors.row(place))
        }
        return result
    }
}

/// `bridge/`: `ids.json` and `vectors.npy`; with a map `matrix.npy`, `offset.npy` and, for two layers, `residual.npy`.
extension BridgedDocuments {
    /// The setting that a map adds: the columns of the vectors that it takes.
    static let queryDimension = "queryDimension"

    /// Whether a record names a map of queries. Without one the vectors lie in the black box's space.
    static func hasMap(_ record: SourceRecord) -> Bool {
        if case .text? = record.settings["map"] { record.settings[queryDimension]?.number != nil } else { false }
    }

    /// See ``ScoreSource/record``.
    public var record: SourceRecord {
        var settings: [String: ManifestValue] = [:]
        if let map {
            settings = ["map": .text(map.form.rawValue), Self.queryDimension: .integer(Int64(map.inputDimension))]
            if case .twoLayer(let hidden)? = map.residual?.shape { settings["hidden"] = .integer(Int64(hidden)) }
        }
        return SourceRecord(name: name, kind: .bridge, dimension: dimension, folder: "bridge", settings: settings)
    }

    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws {
        try SourceRecord.write(ids, vectors, to: folder)
        guard let map else { return }
        try NumPyFile.write(map.matrix, to: folder.appendingPathComponent("matrix.npy"))
        try NumPyFile.write(
            Matrix(rows: 1, columns: map.offset.count, values: map.offset),
            to: folder.appendingPathComponent("offset.npy"))
        if let weights = map.residual?.weights {
            try NumPyFile.write(
                Matrix(rows: 1, columns: weights.count, values: weights),
                to: folder.appendingPathComponent("residual.npy"))
        }
    }

    init(_ record: SourceRecord, dimension: Int, in folder: URL) throws {
        let (ids, vectors) = try record.identifiedRows(columns: dimension, in: folder)
        guard Self.hasMap(record), let text = record.settings["map"]?.text else {
            self.init(ids: ids, vectors: vectors)
            return
        }
        guard let form = VectorMap.Form(rawValue: text) else {
            let forms = VectorMap.Form.allCases.map(\.rawValue).joined(separator: ", ")
            throw record.fault("settings.map", "one of \(forms)", "'\(text)'")
        }
        let columns = try record.count(Self.queryDimension)
        let matrix = try record.matrix(
            folder.appendingPathComponent("matrix.npy"), rows: dimension, columns: columns)
        let offset = try record.matrix(folder.appendingPathComponent("offset.npy"), rows: 1, columns: dimension)
        var residual: Adapter?
        if form == .twoLayer {
            let hidden = try record.count("hidden")
            let (half, isTooLarge) = hidden.multipliedReportingOverflow(by: dimension)
            guard !isTooLarge, half <= Int.max / 2 else {
                throw record.fault("settings.hidden", "a number of units", "\(hidden)")
            }
            // The file is read before room is made for what the manifest says.
            let weights = try record.matrix(folder.appendingPathComponent("residual.npy"), rows: 1, columns: 2 * half)
            var adapter = Adapter(shape: .twoLayer(hidden: hidden), dimension: dimension, seed: 0)
            adapter.weights = weights.values
            residual = adapter
        }
        self.init(
            ids: ids, vectors: vectors,
            map: VectorMap(form: form, matrix: matrix, offset: offset.values, residual: residual))
    }
}
