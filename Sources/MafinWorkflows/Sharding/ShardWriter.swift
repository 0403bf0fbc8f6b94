import Foundation
import MafinBlackBox
import MafinNumerics
import MafinRetrieval

/// Writes one shard: vectors, ids and hashes of the texts under temporary names, then the marker.
///
/// A worker that is killed at any moment leaves either no marker, and the shard is made again, or a finished shard. What it paid
/// for is in the cache.
package final class ShardWriter {
    /// The bytes of the input that the shard holds.
    package let bytes: Range<Int>
    private let plan: ShardPlan
    private let hash: String
    private let shard: Int
    private let input: URL
    private let files: ShardFiles
    private let lock: ShardLock
    private let vectors: PendingVectors
    private let hashes: PendingFile
    private let began = Date()

    /// Begins a shard, unless it is finished.
    /// - Parameters:
    ///   - input: the file that the plan cuts.
    ///   - isCancelled: polled while another process works on the same shard, which this one waits for.
    ///   - note: told of that wait.
    /// - Returns: the writer; or the marker of the finished shard.
    /// - Throws: ``WorkflowError``, `NumericsError`, `RetrievalError`; `CancellationError`.
    package static func begin(
        _ shard: Int, of plan: ShardPlan, input: URL, in folder: URL, isCancelled: () -> Bool, note: (String) -> Void
    ) throws -> (writer: ShardWriter?, finished: ShardMarker?) {
        let hash = try plan.hash
        let files = ShardFiles(shard, of: plan, hash: hash, in: folder)
        if let marker = try ShardMarker.finished(shard, of: plan, hash: hash, in: folder) {
            // The plan knows samples of the input only.
            try marker.requireInput(input, path: files.marker.path)
            return (nil, marker)
        }
        var hasNoted = false
        while true {
            if let lock = try ShardLock.take(files.lock) {
                // The other process may have finished it in between.
                if let marker = try ShardMarker.finished(shard, of: plan, hash: hash, in: folder) {
                    return (nil, marker)
                }
                return (try ShardWriter(shard, of: plan, hash: hash, input: input, files: files, lock: lock), nil)
            }
            if !hasNoted { note("shard \(shard) is being made by another process; waiting for it") }
            hasNoted = true
            if isCancelled() { throw CancellationError() }
            usleep(100_000)
        }
    }

    private init(_ shard: Int, of plan: ShardPlan, hash: String, input: URL, files: ShardFiles, lock: ShardLock) throws
    {
        (self.shard, self.plan, self.hash, self.input, self.files, self.lock) = (shard, plan, hash, input, files, lock)
        bytes = try TextCut(input).bytes(ofPart: shard, of: plan.shards)
        files.removeLeftovers()
        guard let type = NumPyFile.ElementType(rawValue: plan.elementType) else {
            preconditionFailure("a plan of elements \(plan.elementType)")
        }
        vectors = try PendingVectors(to: files.vectors, dimension: plan.dimension, as: type)
        hashes = try PendingFile(at: files.hashes)
    }

    /// Adds texts.
    /// - Throws: `BlackBoxError` for an id that the file cannot hold; `NumericsError`.
    package func append(_ rows: Matrix, _ items: [EmbeddingItem]) throws {
        try vectors.append(rows, ids: items.map(\.id))
        let digests = parallelMap(items.count) { ContentHash.sha256(of: items[$0].content) + "\n" }
        try hashes.write(Data(digests.joined().utf8))
    }

    /// Gives the files their names, and writes the marker.
    /// - Parameters:
    ///   - asked: distinct texts that the black box answered.
    ///   - cached: distinct texts that were in the cache.
    /// - Throws: `NumericsError`; ``WorkflowError`` if the input changed.
    package func finish(asked: Int, cached: Int) throws -> ShardMarker {
        try hashes.commit()
        try vectors.commit()
        guard try ShardPlan.Input(input) == plan.input else {
            throw WorkflowError.shards(
                path: input.path, reason: "the file changed while its shards were made; start again")
        }
        let marker = ShardMarker(
            plan: hash, shard: shard, shards: plan.shards, start: bytes.lowerBound, end: bytes.upperBound,
            inputSHA256: try ShardMarker.sha256(of: bytes, in: input), rows: vectors.count, dimension: plan.dimension,
            vectors: try .init(files.vectors), ids: try .init(files.ids), hashes: try .init(files.hashes),
            statistics: .init(
                began: began.formatted(.iso8601), seconds: Date().timeIntervalSince(began), asked: asked,
                cached: cached, host: ProcessInfo.processInfo.hostName, threads: Parallelism.threads,
                program: plan.program))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(try encoder.encode(marker), to: files.marker)
        return marker
    }
}
