import Foundation
import MafinNumerics
import MafinRetrieval

/// The marker of a finished shard. It is written last, and says what the shard holds and what it cost.
package struct ShardMarker: Codable, Equatable, Sendable {
    /// The hash of the plan.
    package var plan: String
    package var shard: Int
    package var shards: Int
    /// The bytes of the input that the shard holds: the first, and the one after the last.
    package var start: Int
    package var end: Int
    /// SHA-256 of those bytes.
    package var inputSHA256: String
    package var rows: Int
    package var dimension: Int
    package var vectors: File
    package var ids: File
    package var hashes: File
    package var statistics: Statistics

    /// A file of the shard.
    package struct File: Codable, Equatable, Sendable {
        package var bytes: Int
        package var sha256: String

        init(_ url: URL) throws {
            bytes = try Self.size(of: url)
            sha256 = try ContentHash.sha256(of: url)
        }

        static func size(of url: URL) throws -> Int {
            var status = stat()
            guard stat(url.path, &status) == 0 else {
                throw WorkflowError.shards(path: url.path, reason: String(cString: strerror(errno)))
            }
            return Int(status.st_size)
        }
    }

    /// What making the shard took.
    package struct Statistics: Codable, Equatable, Sendable {
        /// When the shard was begun, ISO 8601.
        package var began: String
        /// Seconds from then to the marker.
        package var seconds: Double
        /// Distinct texts that the black box answered for this shard; 0 if it was not asked.
        package var asked: Int
        /// Distinct texts that the cache answered.
        package var cached: Int
        package var host: String
        package var threads: Int
        package var program: String
    }

    /// The marker of a shard, if it is finished: marker and files are there, and the files have the recorded lengths.
    static func finished(_ shard: Int, of plan: ShardPlan, hash: String, in folder: URL) throws -> ShardMarker? {
        let files = ShardFiles(shard, of: plan, hash: hash, in: folder)
        guard let data = FileManager.default.contents(atPath: files.marker.path) else { return nil }
        guard let marker = try? JSONDecoder().decode(ShardMarker.self, from: data), marker.plan == hash,
            marker.shard == shard, marker.shards == plan.shards, marker.dimension == plan.dimension
        else {
            throw WorkflowError.shards(
                path: files.marker.path,
                reason: "expected the marker of shard \(shard) of plan \(hash); remove it to make the shard again")
        }
        for (url, file) in [(files.vectors, marker.vectors), (files.ids, marker.ids), (files.hashes, marker.hashes)] {
            guard (try? File.size(of: url)) == file.bytes else { return nil }
        }
        return marker
    }

    /// Checks that the bytes of the input are those that the shard was made of.
    /// - Parameter path: of the marker, for messages.
    func requireInput(_ input: URL, path: String) throws {
        guard try TextCut(input).bytes(ofPart: shard, of: shards) == start..<end,
            try Self.sha256(of: start..<end, in: input) == inputSHA256
        else {
            throw WorkflowError.shards(
                path: path,
                reason: "it was made of other bytes than those of \(input.path); remove it to make the shard again")
        }
    }

    /// SHA-256 of some bytes of a file. Memory: 1 MiB.
    static func sha256(of range: Range<Int>, in file: URL) throws -> String {
        var hash = ContentHash()
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(range.lowerBound))
        var rest = range.count
        while rest > 0, let piece = try handle.read(upToCount: min(rest, 1 << 20)), !piece.isEmpty {
            hash.update(piece)
            rest -= piece.count
        }
        guard rest == 0 else {
            throw WorkflowError.shards(path: file.path, reason: "the file became shorter while it was read")
        }
        return ContentHash.hexadecimal(hash.finalize())
    }
}
