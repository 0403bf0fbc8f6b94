import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// What all workers of a sharded embedding agree on. Its hash is in the name of every file, so that shards of different artefacts,
/// inputs or options never mix.
package struct ShardPlan: Codable, Equatable, Sendable {
    /// Version of the files.
    package var format = 1
    package var program = LibraryVersion.current.description
    /// SHA-256 of the artefact's manifest, which holds the hashes of its encoders and its weights.
    package var artefact: String
    /// Version of the computation of local vectors.
    package var encodingVersion = TextEncoder.encodingVersion
    /// The numbers in which the local encoder computes.
    package var precision: String
    /// `document` or `query`.
    package var role: String
    /// Whether queries have the stand-in's vectors.
    package var isOffline: Bool
    /// The type of the elements, as NumPy names it.
    package var elementType: String
    /// Numbers in a vector.
    package var dimension: Int
    /// Number of shards.
    package var shards: Int
    package var input: Input

    /// The file that is cut.
    package struct Input: Codable, Equatable, Sendable {
        /// Its size.
        package var bytes: Int
        /// SHA-256 over pieces of the file at equal distances, and over the footer of a Parquet file. Hashing all of it would make every
        /// worker read all of it; the marker of each shard has the hash of the shard's own bytes.
        package var sample: String

        /// - Throws: `RetrievalError`, also for a compressed file.
        package init(_ file: URL, pieces: Int = 64, pieceBytes: Int = 4096) throws {
            let cut = try TextCut(file)
            bytes = cut.size
            var hash = ContentHash()
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            for piece in 0..<pieces {
                let offset = bytes / pieces * piece
                try handle.seek(toOffset: UInt64(offset))
                if let data = try handle.read(upToCount: pieceBytes) { hash.update(data) }
            }
            if !cut.footer.isEmpty {
                try handle.seek(toOffset: UInt64(cut.footer.lowerBound))
                if let data = try handle.read(upToCount: cut.footer.count) { hash.update(data) }
            }
            sample = ContentHash.hexadecimal(hash.finalize())
        }
    }

    /// - Parameter input: the file of texts, from `CheckedTexts.file(of:as:)`.
    package init(
        of model: ArtefactModel, as role: TextRole, isOffline: Bool, type: NumPyFile.ElementType, shards: Int,
        input: URL
    ) throws {
        artefact = try ContentHash.sha256(of: model.artefact.folder.appendingPathComponent(Artefact.manifestName))
        precision = model.precision.rawValue
        self.role = role.rawValue
        self.isOffline = isOffline
        elementType = type.rawValue
        dimension = model.joinedDimension
        self.shards = shards
        self.input = try Input(input)
    }

    private static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    /// The JSON that is hashed and written.
    package var json: Data {
        get throws { try Self.encoder().encode(self) }
    }

    /// The first 12 digits of the SHA-256 of ``json``.
    package var hash: String {
        get throws { String(ContentHash.hexadecimal(ContentHash.sha256(try json)).prefix(12)) }
    }

    static func fileName(hash: String) -> String { "plan.\(hash).json" }

    /// Writes the plan into a folder, for `mafin shards`. Every worker does so; the file is the same.
    package func write(to folder: URL) throws {
        let file = folder.appendingPathComponent(Self.fileName(hash: try hash))
        guard !FileManager.default.fileExists(atPath: file.path) else { return }
        try AtomicFile.write(try json, to: file)
    }

    /// Reads the plans of a folder.
    static func read(from folder: URL) throws -> [(hash: String, plan: ShardPlan)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return try names.filter { $0.hasPrefix("plan.") && $0.hasSuffix(".json") }.sorted().map { name in
            let path = folder.appendingPathComponent(name)
            let hash = String(name.dropFirst("plan.".count).dropLast(".json".count))
            guard let data = FileManager.default.contents(atPath: path.path),
                let plan = try? JSONDecoder().decode(ShardPlan.self, from: data), try plan.hash == hash,
                plan.shards >= 1
            else {
                throw WorkflowError.shards(
                    path: path.path,
                    reason: "expected a plan of 'mafin embed --shards' of this version with the hash \(hash)")
            }
            return (hash, plan)
        }
    }
}

/// The files of one shard.
struct ShardFiles {
    let folder: URL
    let base: String

    init(_ shard: Int, of plan: ShardPlan, hash: String, in folder: URL) {
        self.folder = folder
        func padded(_ number: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, 5 - digits.utf8.count)) + digits
        }
        base = "shard-\(padded(shard))-of-\(padded(plan.shards)).\(hash)"
    }

    private func file(_ ending: String) -> URL { folder.appendingPathComponent("\(base).\(ending)") }
    var vectors: URL { file("npy") }
    var ids: URL { file("ids") }
    /// SHA-256 of each text, one a line.
    var hashes: URL { file("hashes") }
    /// Written last: a shard with a marker is finished.
    var marker: URL { file("json") }
    var lock: URL { folder.appendingPathComponent(".\(base).lock") }
    var all: [URL] { [vectors, ids, hashes, marker] }

    /// Removes what a killed worker left, and the marker of files that are damaged: it must not speak for the files that replace them. Only to
    /// be called by the holder of the lock.
    func removeLeftovers() {
        try? FileManager.default.removeItem(at: marker)
        let prefixes = all.map { ".\($0.lastPathComponent)." }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        where name.hasSuffix(".tmp") && prefixes.contains(where: { name.hasPrefix($0) }) {
            try? FileManager.default.removeItem(at: folder.appendingPathComponent(name))
        }
    }
}

/// The lock of one shard, which ends with the process that holds it, a kill included.
final class ShardLock {
    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// - Returns: `nil` if another process holds it.
    /// - Throws: ``WorkflowError/shards(path:reason:)`` if the folder cannot be written to.
    static func take(_ file: URL) throws -> ShardLock? {
        let descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw WorkflowError.shards(path: file.path, reason: String(cString: strerror(errno)))
        }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return ShardLock(descriptor) }
        let code = errno
        close(descriptor)
        guard code == EWOULDBLOCK else {
            throw WorkflowError.shards(path: file.path, reason: String(cString: strerror(code)))
        }
        return nil
    }

    /// Whether a process holds the lock of a file that exists.
    static func isHeld(_ file: URL) -> Bool {
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    deinit { close(descriptor) }
}
