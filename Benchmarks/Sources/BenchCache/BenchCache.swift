import ArgumentParser
import BenchSupport
import Foundation
import MafinBlackBox
import MafinNumerics
import MafinProviders

/// Speed and memory of a large cache of answers: filling it, opening it, and reading it in the order of a corpus. Before reading, the
/// file is taken out of the system's page cache; reading the bare file is timed for comparison. Prints one JSON line.
@main
struct BenchCache: AsyncParsableCommand {
    @Option(help: "Folder for the cache; one that is there is read as it is.") var folder: String
    @Option(help: "Vectors.") var vectors = 1_000_000
    @Option(help: "Numbers in a vector.") var dimension = 1536
    @Flag(help: "Fill the cache; without it, open and read it: memory is then that of reading.") var fill = false
    @Flag(help: "Leave the file in the system's page cache.") var warm = false

    /// Number of texts in a call, as in a command that works block by block.
    private static let block = 8192

    private struct Filled: Encodable {
        var vectors: Int
        var seconds: Double
        var megabytesOnDisk: Double
        var peakMegabytes: Double
    }

    private struct Read: Encodable {
        var vectors: Int
        var openMilliseconds: Double
        var firstVectorMilliseconds: Double
        var readSeconds: Double
        var readMegabytesPerSecond: Double
        var bareReadMegabytesPerSecond: Double
        var peakMegabytes: Double
    }

    func run() async throws {
        let file = URL(fileURLWithPath: folder).appendingPathComponent("embeddings.sqlite")
        let row = fill ? try encoded(await filled(file)) : try encoded(await read(file))
        print(row)
    }

    private func encoded(_ row: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(row), as: UTF8.self)
    }

    private func eachBlock(_ body: ([EmbeddingItem]) async throws -> Void) async throws {
        for start in stride(from: 0, to: vectors, by: Self.block) {
            try await body(
                (start..<min(start + Self.block, vectors)).map { EmbeddingItem(id: "\($0)", text: "text number \($0)") }
            )
        }
    }

    private func filled(_ file: URL) async throws -> Filled {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        let cached = CachedBlackBox(Drawn(dimension: dimension), cache: try EmbeddingCache(file: file))
        let start = ContinuousClock.now
        try await eachBlock { _ = try await cached.embed($0, as: .document) }
        let size = try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
        return Filled(
            vectors: vectors, seconds: (ContinuousClock.now - start) / .seconds(1),
            megabytesOnDisk: Double(size) / 1e6, peakMegabytes: peakMegabytes())
    }

    private func read(_ file: URL) async throws -> Read {
        let bare = warm ? 0 : try bareRate(file)
        if !warm { try forget(file) }
        let start = ContinuousClock.now
        let cached = CachedBlackBox(Drawn(dimension: dimension, isAway: true), cache: try EmbeddingCache(file: file))
        let open = ContinuousClock.now
        _ = try await cached.embed([EmbeddingItem(id: "0", text: "text number 0")], as: .document)
        let first = ContinuousClock.now
        try await eachBlock { _ = try await cached.embed($0, as: .document) }
        let seconds = (ContinuousClock.now - first) / .seconds(1)
        return Read(
            vectors: vectors, openMilliseconds: (open - start) / .milliseconds(1),
            firstVectorMilliseconds: (first - open) / .milliseconds(1), readSeconds: seconds,
            readMegabytesPerSecond: Double(vectors * dimension * 4) / 1e6 / seconds,
            bareReadMegabytesPerSecond: bare, peakMegabytes: peakMegabytes())
    }

    /// Megabytes per second of reading the whole file.
    private func bareRate(_ file: URL) throws -> Double {
        try forget(file)
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        let start = ContinuousClock.now
        var bytes = 0
        while let part = try handle.read(upToCount: 1 << 22), !part.isEmpty { bytes += part.count }
        return Double(bytes) / 1e6 / ((ContinuousClock.now - start) / .seconds(1))
    }

    /// Removes the file from the page cache.
    private func forget(_ file: URL) throws {
        #if os(Linux)
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            fsync(handle.fileDescriptor)
            posix_fadvise(handle.fileDescriptor, 0, 0, POSIX_FADV_DONTNEED)
        #endif
    }
}

/// A black box that answers with cheap random numbers.
private struct Drawn: BlackBox {
    var dimension: Int
    /// Whether a request is an error.
    var isAway = false

    private struct Away: Error {}

    var identity: BlackBoxIdentity { BlackBoxIdentity(provider: "bench", model: "drawn") }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        if isAway { throw Away() }
        var random = RandomGenerator(seed: UInt64(items.first.flatMap { Int($0.id) } ?? 0))
        return Matrix(
            rows: items.count, columns: dimension,
            values: (0..<items.count * dimension).map { _ in random.uniform() - 0.5 }
        ).normalizedRows().matrix
    }
}
