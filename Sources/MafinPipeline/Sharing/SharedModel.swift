import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics

/// An artefact, or a released encoder alone, that many threads may use at once.
///
/// It uses no network: what the sources need of the black box is given by the caller as vectors. A released encoder is taken
/// for an artefact with one source, `local`.
package final class SharedModel: Sendable {
    /// How queries are read.
    package enum Asking: Sendable {
        /// The black box's vectors are given if a source with a weight needs them.
        case given
        /// The stand-in estimates them, with the artefact's weights for it.
        case standIn
        /// The sources that need them take no part.
        case without
    }

    /// What was opened.
    package let folder: URL
    /// The artefact; `nil` for a released encoder.
    package let artefact: Artefact?
    /// The sources, in the order of the weights.
    package let sources: [any ScoreSource]
    /// The numbers in which its encoders multiply.
    package let precision: Precision
    /// What was found when it was opened; see ``warnings``.
    private let openingWarnings: [String]
    /// What was done with it.
    package let counters = SharedCounters()

    let mixture: Mixture
    let encoders: (query: SharedEncoder, document: SharedEncoder)?
    let standIn: (encoder: SharedEncoder, reading: StandInReading)?

    /// Opens a folder or, by name, a released encoder on this machine.
    /// - Parameters:
    ///   - folders: where released encoders are, also those that an artefact names without a copy of its own.
    ///   - maximumLength: of the texts of a released encoder; `nil`: that of the checkpoint.
    ///   - precision: in which its encoders embed; `nil`: what the artefact says, and float32 for a released encoder.
    /// - Throws: ``SharedModelError/notAModel(path:)``, ``ModelError``, ``ArtefactError``, `EncoderError`, `TokenizerError`,
    ///   `NumericsError`.
    package convenience init(
        _ path: String, verification: Artefact.Verification = .length, folders: ModelFolders = ModelFolders(),
        maximumLength: Int? = nil, precision: Precision? = nil
    ) throws {
        let url = URL(fileURLWithPath: path)
        AtomicFile.recoverDirectory(at: url)
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
        let manifest = url.appendingPathComponent(Artefact.manifestName)
        if FileManager.default.fileExists(atPath: manifest.path) {
            // Lengths are checked with the manifest.
            if verification == .content { _ = try Artefact(readingFrom: url, verification: .content) }
            let model = try ArtefactModel(artefact: url, precision: precision) { record in
                if let path = record.path, FileManager.default.fileExists(atPath: path) {
                    return URL(fileURLWithPath: path)
                }
                return try folders.resolve(record.name, revision: record.revision ?? "main")
            }
            self.init(model, warnings: model.warnings(at: path, asked: precision))
            return
        }
        if exists, !(isFolder.boolValue && ModelFolders.isEncoder(url)) {
            throw SharedModelError.notAModel(path: path)
        }
        let found = try folders.resolve(path)
        let encoder = try TextEncoder(modelFolder: found, maximumLength: maximumLength)
        encoder.encoder.precision = precision ?? .float32
        self.init(encoder, folder: found)
    }

    /// - Parameters:
    ///   - model: nothing else uses it from here on.
    ///   - warnings: what was found when it was opened.
    private init(_ model: ArtefactModel, warnings: [String]) {
        openingWarnings = warnings
        if model.precision != .float32 { Processor.checkKernels() }
        (artefact, folder, sources) = (model.artefact, model.artefact.folder, model.sources)
        (mixture, precision) = (model.manifest.mixing, model.precision)
        let counters = counters
        encoders = model.encoder.map { encoder in
            let documents = SharedEncoder(encoder.document, counters: counters)
            // One encoder for both sides has one queue of turns.
            return (
                encoder.query === encoder.document ? documents : SharedEncoder(encoder.query, counters: counters),
                documents
            )
        }
        standIn =
            if let standIn = model.standIn, let reading = model.offlineReading {
                (SharedEncoder(standIn.encoder, counters: counters), reading)
            } else {
                nil
            }
    }

    private init(_ encoder: TextEncoder, folder: URL) {
        openingWarnings = []
        if encoder.encoder.precision != .float32 { Processor.checkKernels() }
        (artefact, self.folder, standIn, precision) = (nil, folder, nil, encoder.encoder.precision)
        sources = [LocalVectorSource(dimension: encoder.encoder.dimension)]
        mixture = Mixture(SourceWeights([(.local, 1)]))
        let shared = SharedEncoder(encoder, counters: counters)
        encoders = (shared, shared)
    }

    /// What may spoil its results, a sentence each: what was found when it was opened, then the kernels of this process that computed wrong
    /// numbers and were replaced. Later calls may add to the end.
    package var warnings: [String] { openingWarnings + Processor.kernelFaults }

    /// Columns of the local encoder's vectors; 0 if there is none.
    package var localDimension: Int { encoders?.document.dimension ?? 0 }
    /// Columns of the black box's vectors; 0 if no source reads them.
    package var blackBoxDimension: Int {
        let read = sources.contains { $0.queryInputs.union($0.documentInputs).contains(.blackBox) }
        return read || standIn != nil ? artefact?.manifest.blackBoxDimension ?? 0 : 0
    }
    /// Columns of joined vectors; 0 if no source is dense.
    package var joinedDimension: Int { sources.joinedDimension }

    /// The weights for ranking.
    /// - Parameter isOffline: those if the stand-in answers; `nil` without one.
    package func weights(offline isOffline: Bool) -> SourceWeights? {
        guard let manifest = artefact?.manifest else { return isOffline ? nil : mixture.rankingWeights }
        return isOffline && standIn == nil ? nil : manifest.rankingWeights(offline: isOffline)
    }

    func encoder(_ role: TextRole) throws -> SharedEncoder {
        guard let encoders else {
            throw SharedModelError.unsupported(path: folder.path, reason: "has no local encoder")
        }
        return role == .query ? encoders.query : encoders.document
    }
}

// MARK: Vectors

extension SharedModel {
    /// Writes the local encoder's vectors.
    /// - Parameters:
    ///   - prefix: text in front of each; `nil`: that of the role.
    ///   - isUnit: whether rows are scaled to unit length.
    ///   - output: `texts.count * localDimension` elements.
    ///   - done: told how many texts are done. What it throws ends the work.
    /// - Throws: ``SharedModelError/unsupported(path:reason:)`` without a local encoder; `CombinationError` for a vector without a
    ///   direction, if rows are scaled; `EncoderError`.
    package func encode(
        _ texts: [String], as role: TextRole, prefix: String? = nil, isUnit: Bool = true,
        to output: UnsafeMutableBufferPointer<Float>, done: (Int) throws -> Void = { _ in }
    ) throws {
        let encoder = try encoder(role)
        var first = 0
        try encoder.write(texts, as: role, prefix: prefix ?? encoder.prefixes[role], to: output) { end in
            if isUnit {
                for row in first..<end {
                    let values = UnsafeMutableBufferPointer(
                        rebasing: output[row * encoder.dimension..<(row + 1) * encoder.dimension])
                    let length = Matrix.normalize(values)
                    if let column = values.firstIndex(where: { !$0.isFinite }) {
                        throw CombinationError.notFinite(source: .local, row: row, column: column, id: nil)
                    }
                    guard length > 0 else { throw CombinationError.zeroVector(source: .local, row: row, id: nil) }
                }
            }
            first = end
            try done(end)
        }
    }

    /// Tokens of each text with the role's prefix and the special tokens, before it is cut.
    /// - Throws: ``SharedModelError/unsupported(path:reason:)`` without a local encoder.
    package func tokenCounts(of texts: [String], as role: TextRole) throws -> [Int] {
        try encoder(role).tokenCounts(of: texts, as: role)
    }

    /// Joined vectors of queries, `(texts.count, joinedDimension)`, as ``ArtefactModel/embed(_:as:asking:isCancelled:progress:)``
    /// makes them.
    /// - Parameter blackBox: one row per text; `nil` if no dense source needs them, or if the stand-in answers.
    /// - Throws: ``SharedModelError``, ``ArtefactError``, `CombinationError`.
    package func join(
        queries texts: [String], blackBox: Matrix?, asking: Asking = .given, done: (Int) throws -> Void = { _ in }
    ) throws -> Matrix {
        try requireVectors()
        if asking == .without {
            throw SharedModelError.argument("a joined vector has no part without the black box; search without it")
        }
        if asking == .standIn {
            let queries = try readOffline(texts, done: done)
            return try requireStandIn().reading.mixing.join(queries, of: sources)
        }
        // A source without a weight adds nothing to a query's vector.
        let weights = mixture.rankingWeights
        let inputs = sources.filter { $0 is any DenseSource && weights[$0.name] > 0 }.queryInputs
        let queries = try read(
            texts, blackBox: blackBox, needsBlackBox: inputs.contains(.blackBox),
            needsLocal: inputs.contains(.local), done: done)
        return try mixture.join(queries, of: sources)
    }

    /// Joined vectors of documents, `(texts.count, joinedDimension)`.
    /// - Parameters:
    ///   - ids: which moved documents are known by; empty: none is known.
    ///   - blackBox: one row per text; `nil` if no dense source needs them.
    /// - Throws: ``SharedModelError``, ``ArtefactError``, `CombinationError`.
    package func join(
        documents texts: [String], ids: [String], blackBox: Matrix?, done: (Int) throws -> Void = { _ in }
    ) throws -> Matrix {
        try requireVectors()
        let inputs = sources.filter { $0 is any DenseSource }.documentInputs
        // Moved documents are looked up by identifier, so each document has one, which no moved document has.
        let known = ids.isEmpty ? texts.indices.map { "text \($0), which has no identifier" } : ids
        let documents = try read(
            documents: texts, ids: known, blackBox: blackBox,
            needsBlackBox: inputs.contains(.blackBox), needsLocal: inputs.contains(.local), done: done)
        return try mixture.join(documents, of: sources)
    }

    private func requireVectors() throws {
        guard joinedDimension > 0 else {
            throw SharedModelError.unsupported(path: folder.path, reason: "has no source with vectors")
        }
    }
}

// MARK: What sources read

extension SharedModel {
    func requireStandIn() throws -> (encoder: SharedEncoder, reading: StandInReading) {
        guard let standIn else {
            throw SharedModelError.unsupported(
                path: folder.path, reason: "has no stand-in, which would answer without the black box")
        }
        return standIn
    }

    private func require(_ blackBox: Matrix?, of texts: [String], _ role: TextRole) throws {
        guard let blackBox else { return }
        guard let artefact else {
            throw SharedModelError.argument(
                "\(folder.path) is an encoder alone, which has no black box: leave its vectors out")
        }
        try artefact.require(blackBoxDimension: blackBox.columns)
        guard blackBox.rows == texts.count else {
            throw SharedModelError.argument("\(blackBox.rows) vectors of the black box for \(texts.count) texts")
        }
    }

    /// Queries as sources read them.
    func read(
        _ texts: [String], blackBox: Matrix?, needsBlackBox: Bool, needsLocal: Bool, done: (Int) throws -> Void
    ) throws -> SourceQueries {
        try require(blackBox, of: texts, .query)
        if needsBlackBox, blackBox == nil {
            let hint =
                standIn == nil
                ? "or rank without it" : "or let the stand-in answer offline, or rank without the black box"
            throw SharedModelError.blackBoxMissing(path: folder.path, role: .query, hint: "give them, \(hint)")
        }
        return try SourceQueries(
            texts: texts, blackBox: blackBox,
            local: needsLocal ? try encoder(.query).vectors(texts, as: .query, done: done) : nil,
            form: mixture.localForm)
    }

    /// Queries as sources read them if the stand-in answers.
    func readOffline(_ texts: [String], done: (Int) throws -> Void) throws -> SourceQueries {
        let (encoder, reading) = try requireStandIn()
        let estimates = try reading.heads(try encoder.vectors(texts, as: .query, done: done))
        return try SourceQueries(
            texts: texts, estimates: estimates,
            own: reading.needsLocal ? try self.encoder(.query).vectors(texts, as: .query, done: { _ in }) : nil)
    }

    /// Documents as sources read them.
    func read(
        documents texts: [String], ids: [String], blackBox: Matrix?, needsBlackBox: Bool, needsLocal: Bool,
        done: (Int) throws -> Void
    ) throws -> SourceDocuments {
        try require(blackBox, of: texts, .document)
        if needsBlackBox, blackBox == nil {
            throw SharedModelError.blackBoxMissing(path: folder.path, role: .document, hint: "")
        }
        return try SourceDocuments(
            ids: ids, texts: texts, blackBox: blackBox,
            local: needsLocal ? try encoder(.document).vectors(texts, as: .document, done: done) : nil,
            form: mixture.localForm)
    }
}

extension [any ScoreSource] {
    /// What they read of queries.
    var queryInputs: SourceInputs { reduce(into: []) { $0.formUnion($1.queryInputs) } }
    /// What they read of documents.
    var documentInputs: SourceInputs { reduce(into: []) { $0.formUnion($1.documentInputs) } }
}
