import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinNumerics
import MafinText

/// Keeps a frozen local encoder's vectors of corpora and lists of queries on disk, so that they are made only once.
///
/// The key is the SHA-256 of everything that determines a vector: the code's version (`TextEncoder.encodingVersion`), weights,
/// configuration, tokenizer or image processor, prefix, length, precision, and the content of all items in order.
public struct LocalVectorCache: Sendable {
    private let folder: URL?
    /// Of the code that makes vectors.
    var version = TextEncoder.encodingVersion

    /// A cache in a folder, which is made when it is first needed; `nil`: nothing is kept.
    public init(folder: URL?) { self.folder = folder }

    /// Vectors of items from disk, or made now: `(items.count, dimension)`, not normalised.
    /// - Parameters:
    ///   - weights: SHA-256 of the encoder's weights.
    ///   - progress: receives the number of items done. It is called only while vectors are made.
    /// - Throws: `CancellationError`, or whatever the encoder throws. If the cache cannot be written, no error is
    ///   thrown, and the next run makes the vectors again.
    public func vectors(
        of items: [Item], as role: TextRole, encoder: TextEncoder, weights: String,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        var values: [Float] = []
        values.reserveCapacity(items.count * encoder.encoder.dimension)
        // Each file holds a limited number of items, so that an interruption loses at most one file.
        for start in stride(from: 0, to: items.count, by: Self.itemsPerFile) {
            let part = Array(items[start..<min(start + Self.itemsPerFile, items.count)])
            values += try vectors(
                ofPart: part, prefix: encoder.prefixes[role], encoder: encoder, weights: weights,
                isCancelled: isCancelled
            ) { progress(start + $0) }.values
        }
        return Matrix(rows: items.count, columns: encoder.encoder.dimension, values: values)
    }

    /// The same for texts.
    public func vectors(
        of texts: [String], as role: TextRole, encoder: TextEncoder, weights: String,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try vectors(
            of: texts.map { Item($0) }, as: role, encoder: encoder, weights: weights, isCancelled: isCancelled,
            progress: progress)
    }

    private static let itemsPerFile = 8192

    private func vectors(
        ofPart items: [Item], prefix: String, encoder: TextEncoder, weights: String, isCancelled: () -> Bool,
        progress: (Int) -> Void
    ) throws -> Matrix {
        let file = try folder?.appendingPathComponent(key(items, prefix, encoder, weights) + ".npy")
        if let file, let stored = try? NumPyFile.read(file), stored.rows == items.count,
            stored.columns == encoder.encoder.dimension, stored.values.allSatisfy(\.isFinite)
        {
            return stored
        }
        let made = try encoder.embedUnnormalized(items, prefix: prefix, isCancelled: isCancelled, progress: progress)
        if let file, let folder {
            try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try? NumPyFile.write(made, to: file)
        }
        return made
    }

    private func key(
        _ items: [Item], _ prefix: String, _ encoder: TextEncoder, _ weights: String
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
        for name in ["config.json"] + TokenizerFiles.names + (encoder.readsImages ? [ImageProcessor.fileName] : []) {
            let file = encoder.folder.appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: file.path) { add(try ContentHash.sha256(of: file)) }
        }
        for item in items { add(item.content) }
        return ContentHash.hexadecimal(hash.finalize())
    }
}
