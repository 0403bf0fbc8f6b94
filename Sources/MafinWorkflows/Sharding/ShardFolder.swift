import Foundation
import MafinBlackBox
import MafinNumerics
import MafinRetrieval

/// The shards of one plan in a folder: how far they are, whether they are whole, and one file of all of them.
package struct ShardFolder {
    package let folder: URL
    /// The hash of the plan.
    package let configuration: String
    package let plan: ShardPlan
    /// Hashes of other plans in the folder.
    package let others: [String]

    /// How far the shards are.
    package struct Status: Codable, Sendable {
        package var configuration: String
        package var shards: Int
        package var finished: Int
        package var rows: Int
        package var dimension: Int
        /// Bytes of the finished shards' files.
        package var bytes: Int
        package var asked: Int
        package var cached: Int
        /// Seconds of all finished shards together.
        package var seconds: Double
        /// Shards that a process on this machine is making.
        package var running: [Int]
        /// Shards that are neither finished nor running.
        package var missing: [Int]
        package var isComplete: Bool
        /// Other plans in the folder.
        package var otherConfigurations: [String]
    }

    /// What was checked.
    package struct Verification: Codable, Sendable {
        package var configuration: String
        package var shards: Int
        package var rows: Int
        package var bytes: Int
        /// Whether ids and texts were compared with the input, line by line.
        package var comparedWithInput: Bool
    }

    /// Opens the folder.
    /// - Parameter configuration: the hash of a plan; `nil`: there must be one only.
    /// - Throws: ``WorkflowError/shards(path:reason:)``
    package init(_ folder: URL, configuration: String? = nil) throws {
        let plans = try ShardPlan.read(from: folder)
        guard !plans.isEmpty else {
            throw WorkflowError.shards(path: folder.path, reason: "there is no plan; 'mafin embed --shards' writes one")
        }
        let hashes = plans.map(\.hash)
        let chosen: (hash: String, plan: ShardPlan)
        if let configuration {
            guard let found = plans.first(where: { $0.hash == configuration }) else {
                throw WorkflowError.shards(
                    path: folder.path,
                    reason: "there is no plan \(configuration); there is \(hashes.joined(separator: ", "))")
            }
            chosen = found
        } else {
            guard plans.count == 1 else {
                throw WorkflowError.shards(
                    path: folder.path,
                    reason:
                        "it holds shards of several plans, choose one with --configuration: \(hashes.joined(separator: ", "))"
                )
            }
            chosen = plans[0]
        }
        self.folder = folder
        (self.configuration, plan) = chosen
        others = hashes.filter { $0 != chosen.hash }
    }

    private func files(_ shard: Int) -> ShardFiles { ShardFiles(shard, of: plan, hash: configuration, in: folder) }

    private func marker(_ shard: Int) throws -> ShardMarker? {
        try ShardMarker.finished(shard, of: plan, hash: configuration, in: folder)
    }

    /// How far the shards are. Reads markers and the lengths of files.
    package func status() throws -> Status {
        var status = Status(
            configuration: configuration, shards: plan.shards, finished: 0, rows: 0, dimension: plan.dimension,
            bytes: 0,
            asked: 0, cached: 0, seconds: 0, running: [], missing: [], isComplete: false, otherConfigurations: others)
        for shard in 0..<plan.shards {
            if let marker = try marker(shard) {
                status.finished += 1
                status.rows += marker.rows
                status.bytes += marker.vectors.bytes + marker.ids.bytes + marker.hashes.bytes
                status.asked += marker.statistics.asked
                status.cached += marker.statistics.cached
                status.seconds += marker.statistics.seconds
            } else if ShardLock.isHeld(files(shard).lock) {
                status.running.append(shard)
            } else {
                status.missing.append(shard)
            }
        }
        status.isComplete = status.finished == plan.shards
        return status
    }

    /// The markers of all shards, whose parts of the input follow each other.
    /// - Throws: ``WorkflowError/shards(path:reason:)`` if a shard is not finished.
    private func complete() throws -> [ShardMarker] {
        let markers = try (0..<plan.shards).map { try marker($0) }
        let missing = markers.indices.filter { markers[$0] == nil }
        guard missing.isEmpty else {
            let named = missing.prefix(10).map(String.init).joined(separator: ", ")
            throw WorkflowError.shards(
                path: folder.path,
                reason:
                    "\(missing.count) of \(plan.shards) shards are not finished: \(named)\(missing.count > 10 ? ", …" : "")"
            )
        }
        let all = markers.compactMap(\.self)
        var end = 0
        for marker in all {
            guard marker.start == end, marker.end >= end else {
                throw fault(marker.shard, "it begins at byte \(marker.start) of the input, expected \(end)")
            }
            end = marker.end
        }
        guard end == plan.input.bytes else {
            throw fault(plan.shards - 1, "it ends at byte \(end) of the input, expected \(plan.input.bytes)")
        }
        return all
    }

    private func fault(_ shard: Int, _ reason: String) -> WorkflowError {
        .shards(path: files(shard).marker.path, reason: reason)
    }

    /// Reads every byte: hashes of all files, shapes, and ids that are used twice. With the input, also every id and the hash of
    /// every text.
    /// - Parameters:
    ///   - input: the file or BEIR folder that was embedded; `nil`: it is not compared.
    ///   - progress: receives the number of shards done.
    /// - Throws: ``WorkflowError/shards(path:reason:)`` with the first fault; `CancellationError`.
    package func verify(
        input: URL? = nil, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Verification {
        let markers = try complete()
        let kind: RetrievalError.TextKind = plan.role == TextRole.query.rawValue ? .query : .document
        let texts = input.map { CheckedTexts.file(of: $0, as: kind) }
        if let texts, try ShardPlan.Input(texts) != plan.input {
            throw WorkflowError.shards(
                path: texts.path, reason: "this is not the file that was embedded: size or content differ")
        }
        var known = KnownIdentifiers(capacity: markers.reduce(0) { $0 + $1.rows })
        var (rows, bytes) = (0, 0)
        for marker in markers {
            if isCancelled() { throw CancellationError() }
            let shard = try checked(marker, &known)
            if let texts { try compare(marker, ids: shard.ids, hashes: shard.hashes, with: texts, as: kind) }
            rows += marker.rows
            bytes += marker.vectors.bytes + marker.ids.bytes + marker.hashes.bytes
            progress(marker.shard + 1)
        }
        return Verification(
            configuration: configuration, shards: plan.shards, rows: rows, bytes: bytes, comparedWithInput: texts != nil
        )
    }

    /// A shard whose files are what its marker says, and whose ids are new.
    private func checked(
        _ marker: ShardMarker, _ known: inout KnownIdentifiers
    ) throws -> (vectors: NumPyFile.MappedArray, ids: [String], hashes: [String]) {
        let files = files(marker.shard)
        for (url, file) in [(files.vectors, marker.vectors), (files.ids, marker.ids), (files.hashes, marker.hashes)] {
            guard try ShardMarker.File(url) == file else {
                throw WorkflowError.shards(
                    path: url.path,
                    reason: "its content is not what its marker says; remove the marker to make it again")
            }
        }
        let vectors = try NumPyFile.map(files.vectors)
        guard vectors.rows == marker.rows, vectors.columns == plan.dimension else {
            throw fault(
                marker.shard,
                "\(vectors.rows) × \(vectors.columns) vectors, expected \(marker.rows) × \(plan.dimension)")
        }
        let (ids, hashes) = (try Self.lines(of: files.ids), try Self.lines(of: files.hashes))
        guard ids.count == marker.rows, hashes.count == marker.rows else {
            throw fault(marker.shard, "\(ids.count) ids and \(hashes.count) hashes of \(marker.rows) vectors")
        }
        for id in ids where !known.insert(id) {
            throw fault(marker.shard, "the id '\(id)' is used twice, in this shard or an earlier one")
        }
        return (vectors, ids, hashes)
    }

    private func compare(
        _ marker: ShardMarker, ids: [String], hashes: [String], with input: URL, as kind: RetrievalError.TextKind
    ) throws {
        try marker.requireInput(input, path: files(marker.shard).marker.path)
        var texts = try CheckedTexts(partOf: input, bytes: marker.start..<marker.end, as: kind)
        var row = 0
        while let text = try texts.next() {
            let item = EmbeddingItem(id: text.id, text: text.text, image: text.image)
            guard row < ids.count, ids[row] == text.id, hashes[row] == ContentHash.sha256(of: item.content) else {
                throw fault(marker.shard, "row \(row) is not the text '\(text.id)' of \(input.path)")
            }
            row += 1
        }
        guard row == ids.count else {
            throw fault(marker.shard, "\(ids.count) rows, but the input has \(row) texts there")
        }
    }

    /// Writes one `.npy` file of all shards, its ids and its hashes, in the order of the input: the same bytes that a single
    /// process writes. Every file is compared with its marker first.
    /// - Returns: the number of rows.
    /// - Throws: ``WorkflowError/shards(path:reason:)``, `NumericsError`; `CancellationError`.
    package func merge(
        to file: URL, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Int {
        let markers = try complete()
        guard let type = NumPyFile.ElementType(rawValue: plan.elementType) else {
            throw WorkflowError.shards(path: folder.path, reason: "a plan of elements \(plan.elementType)")
        }
        let merged = try PendingVectors(to: file, dimension: plan.dimension, as: type)
        let hashes = try PendingFile(at: file.deletingPathExtension().appendingPathExtension("hashes"))
        var known = KnownIdentifiers(capacity: markers.reduce(0) { $0 + $1.rows })
        let piece = max(1, (64 << 20) / max(1, 4 * plan.dimension))
        for marker in markers {
            // A damaged shard must not become a part of a file that has no marker.
            let shard = try checked(marker, &known)
            for start in stride(from: 0, to: marker.rows, by: piece) {
                if isCancelled() { throw CancellationError() }
                let rows = start..<min(start + piece, marker.rows)
                try merged.append(shard.vectors.matrix(rows: rows), ids: Array(shard.ids[rows]))
            }
            try hashes.write(try Data(contentsOf: files(marker.shard).hashes))
            progress(marker.shard + 1)
        }
        try hashes.commit()
        try merged.commit()
        return merged.count
    }

    /// The lines of a file that ends with a line's end.
    private static func lines(of file: URL) throws -> [String] {
        guard let data = FileManager.default.contents(atPath: file.path) else {
            throw WorkflowError.shards(path: file.path, reason: "it cannot be read")
        }
        return String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            .map(String.init)
    }
}

/// Which ids occurred, by 128 bits of their SHA-256: 32 bytes an id, not the id itself.
private struct KnownIdentifiers {
    private struct Key: Hashable { var (high, low): (UInt64, UInt64) }
    private var keys: Set<Key> = []

    init(capacity: Int) { keys.reserveCapacity(capacity) }

    /// - Returns: whether the id is new.
    mutating func insert(_ id: String) -> Bool {
        var hash = ContentHash()
        hash.update(id)
        let words = hash.finalize().withUnsafeBytes { bytes in
            (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return keys.insert(Key(high: words.0, low: words.1)).inserted
    }
}
