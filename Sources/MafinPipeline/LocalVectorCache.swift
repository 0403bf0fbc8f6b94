import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinText

/// Keeps a frozen local encoder's vectors of corpora and lists of queries on disk, so that they are made only once.
///
/// The key is the SHA-256 of everything that determines a vector: the code's version (`TextEncoder.encodingVersion`), weights,
/// configuration, tokenizer, prefix, length, precision, and all texts in order.
public struct LocalVectorCache: Sendable {
    private let folder: URL?
    /// Of the code that makes vectors.
    var version = TextEncoder.encodingVersion

    /// A cache in a folder, which is made when it is first needed; `nil`: nothing is kept.
    public init(folder: URL?) { self.folder = folder }

    /// Vectors of texts from disk, or made now: `(texts.count, dimension)`, not normalised.
    /// - Parameters:
    ///   - weights: SHA-256 of the encoder's weights.
    ///   - progress: receives the number of texts done. It is called only while vectors are made.
    /// - Throws: `CancellationError`, or whatever the encoder throws. If the cache cannot be written, no error is
    ///   thrown, and the next run makes the vectors again.
    public func vectors(
        of texts: [String], as role: TextRole, encoder: TextEncoder, weights: String,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        var values: [Float] = []
        values.reserveCapacity(texts.count * encoder.encoder.dimension)
        // Each file holds a limited number of texts, so that an interruption loses at most one file.
        for start in stride(from: 0, to: texts.count, by: Self.textsPerFile) {
            let part = Array(texts[start..<min(start + Self.textsPerFile, texts.count)])
            values += try vectors(
                ofPart: part, prefix: encoder.prefixes[role], encoder: encoder, weights: weights,
                isCancelled: isCancelled
            ) { progress(start + $0) }.values
        }
        return Matrix(rows: texts.count, columns: encoder.encoder.dimension, values: values)
    }

    private static let textsPerFile = 8192

    private func vectors(
        ofPart texts: [String], prefix: String, encoder: TextEncoder, weights: String, isCancelled: () -> Bool,
        progress: (Int) -> Void
    ) throws -> Matrix {
        let file = try folder?.appendingPathComponent(key(texts, prefix, encoder, weights) + ".npy")
        if let file, let stored = try? NumPyFile.read(file), stored.rows == texts.count,
            stored.columns == encoder.encoder.dimension, stored.values.allSatisfy(\.isFinite)
        {
            return stored
        }
        let made = try encoder.embedUnnormalized(texts, prefix: prefix, isCancelled: isCancelled, progress: progress)
        if let file, let folder {
            try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try? NumPyFile.write(made, to: file)
        }
        return made
    }

    private func key(
        _ texts: [String], _ prefix: String, _ encoder: TextEncoder, _ weights: String
    ) throws -> String {
        var hash = ContentHash()
        func add(_ text: String) {
            withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { hash.update($0) }
            hash.update(text)
        }
        for part in ["\(version)", weights, encoder.encoder.pooling.rawValue, prefix] { add(part) }
        add("\(encoder.maximumLength)")
        // Vectors in float32 have the key of versions that knew no other precision.
        let precision = encoder.encoder.precision
        if precision != .float32 { add("precision \(precision.rawValue)") }
        for name in ["config.json"] + TokenizerFiles.names {
            let file = encoder.folder.appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: file.path) { add(try ContentHash.sha256(of: file)) }
        }
        for text in texts { add(text) }
        return ContentHash.hexadecimal(hash.finalize())
    }
}
