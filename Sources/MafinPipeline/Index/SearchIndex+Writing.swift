import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval

extension SearchIndex {
    /// How an index is written.
    package struct WritingOptions: Sendable {
        /// How elements are stored.
        package var element: NumPyFile.ElementType
        /// Number of documents that are embedded and held at a time.
        package var blockSize: Int
        /// Whether a graph of near documents is built.
        package var approximation: Approximation

        /// Options. 16-bit floats take half the space and change scores by about 0.0002.
        package init(
            element: NumPyFile.ElementType = .float32, blockSize: Int = 4096, approximation: Approximation = .automatic
        ) {
            precondition(element != .float64 && blockSize > 0, "float32 or float16, and at least one document a block")
            (self.element, self.blockSize, self.approximation) = (element, blockSize, approximation)
        }
    }

    /// Computes the document vectors of an artefact's sources and writes the index, whole or not at all.
    ///
    /// An existing index is replaced when the new one is complete. It takes the memory of the documents' texts and of the vectors of a block.
    /// - Parameters:
    ///   - model: the artefact, of a form with the same weights for all texts.
    ///   - documents: documents with unique ids.
    ///   - collection: the collection's name, for the manifest.
    ///   - blackBox: the artefact's black box; `nil` if no source reads its vectors of documents (`ArtefactModel.documentInputs`).
    ///   - progress: told how many documents are done.
    ///   - linking: told how many documents are linked, if a graph is built.
    ///   - note: receives a sentence for the user.
    /// - Throws: ``IndexError``, `ArtefactError`, what the black box throws, `NumericsError`; `CancellationError` when cancelled.
    package static func write(
        _ model: ArtefactModel, documents: [Document], collection: String, asking blackBox: (any BlackBox)?,
        to folder: URL,
        options: WritingOptions = WritingOptions(), isCancelled: () -> Bool = { false },
        progress: (Int) -> Void = { _ in }, linking: (Int) -> Void = { _ in }, note: (String) -> Void = { _ in }
    ) async throws {
        let asked = model.documentInputs.contains(.blackBox) ? blackBox : nil
        precondition((asked != nil) == model.documentInputs.contains(.blackBox), "the black box is missing")
        guard model.manifest.mixing.localForm == .unit else {
            throw IndexError.normForm(artefact: model.artefact.folder.path)
        }
        let sources = Mixture.denseParts(of: model.sources).map(\.first)
        let parts = IndexManifest.parts(of: model.sources, in: model.manifest)
        if let part = parts.first(where: { !IndexManifest.isUsable($0.source) }) {
            throw IndexError.unusableName(artefact: model.artefact.folder.path, source: part.source.rawValue)
        }
        try requireReplaceable(folder)
        if let asked { try model.artefact.require(blackBox: asked.identity) }
        try await AtomicFile.replaceDirectory(at: folder) { work in
            let files = try parts.map {
                try NumPyFile.PendingRows(
                    to: work.appendingPathComponent($0.file), columns: $0.dimension, as: options.element)
            }
            // Without vectors there is nothing to compute.
            for start in stride(from: 0, to: parts.isEmpty ? 0 : documents.count, by: options.blockSize) {
                if isCancelled() { throw CancellationError() }
                let block = documents[start..<min(start + options.blockSize, documents.count)]
                let items = block.map { EmbeddingItem($0) }
                let answers = try await asked?.embed(items, as: .document)
                if let answers { try model.artefact.require(blackBoxDimension: answers.columns) }
                let made =
                    model.encoder == nil
                    ? nil
                    : try model.localVectors(
                        of: items.map(\.item), as: .document, isCancelled: isCancelled,
                        progress: { progress(start + $0) })
                let read = try SourceDocuments(ids: items.map(\.id), blackBox: answers, local: made, form: .unit)
                for (source, file) in zip(sources, files) { try file.append(source.vectors(of: read)) }
                progress(start + block.count)
            }
            for file in files { try file.commit() }
            for part in parts {
                // Of the numbers as they are stored, which float16 has rounded.
                try RowApproximation.write(
                    VectorRows(contentsOf: work.appendingPathComponent(part.file)),
                    to: work.appendingPathComponent(part.bytesFile))
            }
            let approximation = try CandidateGraph.write(
                to: work, parts, count: documents.count, of: model, wanted: options.approximation,
                isCancelled: isCancelled, linking: linking, note: note)
            try writeTexts(documents, to: work)

            var manifest = IndexManifest(
                formatVersion: IndexManifest.currentFormatVersion, library: .current,
                artefactSHA256: try ContentHash.sha256(
                    of: model.artefact.folder.appendingPathComponent(Artefact.manifestName)),
                blackBox: model.manifest.blackBox, documentEncoder: model.manifest.documentEncoder,
                precision: model.encoder == nil || model.precision == .float32 ? nil : model.precision,
                encodingVersion: TextEncoder.encodingVersion,
                element: options.element == .float16 ? "float16" : "float32", documents: documents.count,
                parts: parts, collection: collection, files: try ArtefactManifest.FileRecord.all(in: work),
                approximation: approximation)
            // A path of this machine has no meaning on another.
            manifest.documentEncoder?.path = nil
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try AtomicFile.write(
                encoder.encode(manifest), to: work.appendingPathComponent(IndexManifest.fileName))
        }
    }

    /// Only a folder that is empty or holds an index may be replaced.
    /// - Throws: ``IndexError/occupied(path:)`` for any other folder.
    package static func requireReplaceable(_ folder: URL) throws {
        guard try AtomicFile.canReplaceDirectory(at: folder, holding: IndexManifest.fileName) else {
            throw IndexError.occupied(path: folder.path)
        }
    }

    /// `corpus.jsonl` with its offsets and look-up.
    private static func writeTexts(_ documents: [Document], to folder: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var offsets = Data(capacity: 8 * (documents.count + 1))
        var length: UInt64 = 0
        func appendOffset() { withUnsafeBytes(of: length.littleEndian) { offsets.append(contentsOf: $0) } }
        try AtomicFile.write(to: folder.appendingPathComponent(corpusFile)) { file in
            for document in documents {
                appendOffset()
                var line = try encoder.encode(StoredDocument(document))
                line.append(UInt8(ascii: "\n"))
                try file.write(line)
                length += UInt64(line.count)
            }
        }
        appendOffset()
        try AtomicFile.write(offsets, to: folder.appendingPathComponent(offsetsFile))
        try AtomicFile.write(
            IdentifierLookup.data(for: documents.lazy.map(\.id)), to: folder.appendingPathComponent(lookupFile))
    }
}
