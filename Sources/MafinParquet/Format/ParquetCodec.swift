import CZlib
import Foundation
import MafinNumerics

/// How the pages of a Parquet file are compressed.
public enum ParquetCodec: String, Sendable, CaseIterable {
    /// As they are. Vectors of floats hardly shrink.
    case none
    /// DEFLATE in gzip's frame.
    case gzip
    /// Zstandard. It needs the library `libzstd`, which is looked for when it is needed.
    case zstd
    /// Snappy. It is only read.
    case snappy

    /// The number of the format.
    var code: Int {
        switch self {
        case .none: 0
        case .snappy: 1
        case .gzip: 2
        case .zstd: 6
        }
    }

    /// - Throws: `NumericsError` for a codec that is not read.
    init(code: Int, path: String) throws {
        guard let codec = Self.allCases.first(where: { $0.code == code }) else {
            let names = [3: "LZO", 4: "Brotli", 5: "LZ4", 7: "LZ4_RAW"]
            throw NumericsError.malformed(
                path: path, expected: "pages that are not compressed, or with Snappy, gzip or Zstandard",
                found: "pages compressed with \(names[code] ?? "codec \(code)")")
        }
        self = codec
    }

    /// Whether this machine can use it.
    public var isAvailable: Bool { self == .zstd ? Zstandard.shared != nil : true }

    /// The compressed bytes.
    /// - Throws: `NumericsError` if the codec's library is missing or fails.
    func compress(_ bytes: [UInt8], path: String) throws -> [UInt8] {
        switch self {
        case .none: return bytes
        case .snappy: preconditionFailure("Snappy is only read")
        case .gzip: return try Deflate.compress(bytes, path: path)
        case .zstd:
            guard let library = Zstandard.shared else { throw Zstandard.missing(path) }
            return try library.compress(bytes, path: path)
        }
    }

    /// The bytes before compression.
    /// - Parameter size: how many they are, as the file says.
    /// - Throws: `NumericsError` for bytes that are damaged, or another number of them.
    func decompress(_ bytes: UnsafeRawBufferPointer, size: Int, path: String) throws -> [UInt8] {
        switch self {
        case .none: return Array(bytes)
        case .snappy: return try Snappy.decompress(bytes, size: size, path: path)
        case .gzip: return try Deflate.decompress(bytes, size: size, path: path)
        case .zstd:
            guard let library = Zstandard.shared else { throw Zstandard.missing(path) }
            return try library.decompress(bytes, size: size, path: path)
        }
    }

    static func damaged(_ path: String, _ codec: String) -> NumericsError {
        .malformed(path: path, expected: "pages compressed with \(codec)", found: "bytes that cannot be decompressed")
    }
}

/// Snappy's raw format, as its format description says. Written here because the decoder is small and no library is everywhere.
enum Snappy {
    static func decompress(_ bytes: UnsafeRawBufferPointer, size: Int, path: String) throws -> [UInt8] {
        let damaged = ParquetCodec.damaged(path, "Snappy")
        var reader = ByteReader(bytes, path: path)
        guard try reader.varint() == UInt64(size) else { throw damaged }
        var result: [UInt8] = []
        result.reserveCapacity(size)
        while reader.rest > 0 {
            let tag = try reader.byte()
            var count = Int(tag >> 2) + 1
            func number(_ bytes: Int) throws -> Int {
                try reader.take(bytes).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            }
            let distance: Int
            switch tag & 3 {
            case 0:
                if count > 60 { count = try number(count - 60) + 1 }
                guard result.count + count <= size else { throw damaged }
                result.append(contentsOf: try reader.take(count))
                continue
            case 1:
                count = Int(tag >> 2 & 7) + 4
                distance = Int(tag >> 5) << 8 | (try number(1))
            case 2: distance = try number(2)
            default: distance = try number(4)
            }
            guard distance > 0, distance <= result.count, result.count + count <= size else { throw damaged }
            // Source and target may overlap: then what was just written is repeated.
            let start = result.count - distance
            for offset in 0..<count { result.append(result[start + offset]) }
        }
        guard result.count == size else { throw damaged }
        return result
    }
}

/// DEFLATE through zlib.
enum Deflate {
    static func compress(_ bytes: [UInt8], path: String) throws -> [UInt8] {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        // 15 bits of window, and 16 for the frame of gzip.
        guard deflateInit2_(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK else {
            throw NumericsError.file(path: path, reason: "zlib cannot begin to compress")
        }
        defer { deflateEnd(&stream) }
        var input = bytes
        let bound = Int(deflateBound(&stream, uLong(bytes.count)))
        return try [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            let status = input.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = uInt(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = uInt(bound)
                return deflate(&stream, Z_FINISH)
            }
            guard status == Z_STREAM_END else { throw NumericsError.file(path: path, reason: "zlib cannot compress") }
            count = Int(stream.total_out)
        }
    }

    static func decompress(_ bytes: UnsafeRawBufferPointer, size: Int, path: String) throws -> [UInt8] {
        var stream = z_stream()
        // 32: the frame of zlib or gzip, whichever it is.
        guard inflateInit2_(&stream, 47, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw NumericsError.file(path: path, reason: "zlib cannot begin to decompress")
        }
        defer { inflateEnd(&stream) }
        var input = Array(bytes)
        return try [UInt8](unsafeUninitializedCapacity: size) { output, count in
            let status = input.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = uInt(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = uInt(size)
                return inflate(&stream, Z_FINISH)
            }
            guard status == Z_STREAM_END, stream.total_out == uLong(size) else {
                throw ParquetCodec.damaged(path, "gzip")
            }
            count = size
        }
    }
}

/// Zstandard through its library, which is loaded when it is first needed. So the program starts without it.
final class Zstandard: Sendable {
    private typealias Compress =
        @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeRawPointer?, Int, Int32) -> Int
    private typealias Decompress = @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeRawPointer?, Int) -> Int
    private typealias Bound = @convention(c) (Int) -> Int
    private typealias IsError = @convention(c) (Int) -> UInt32

    private let compressing: Compress
    private let decompressing: Decompress
    private let bound: Bound
    private let isError: IsError

    /// The library; nil if this machine has none.
    static let shared: Zstandard? = Zstandard()

    private init?() {
        let names = ["libzstd.so.1", "libzstd.so", "libzstd.1.dylib", "/opt/homebrew/lib/libzstd.1.dylib"]
        guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW) }).first,
            let compress = dlsym(library, "ZSTD_compress"), let decompress = dlsym(library, "ZSTD_decompress"),
            let bound = dlsym(library, "ZSTD_compressBound"), let isError = dlsym(library, "ZSTD_isError")
        else { return nil }
        compressing = unsafeBitCast(compress, to: Compress.self)
        decompressing = unsafeBitCast(decompress, to: Decompress.self)
        self.bound = unsafeBitCast(bound, to: Bound.self)
        self.isError = unsafeBitCast(isError, to: IsError.self)
    }

    static func missing(_ path: String) -> NumericsError {
        .file(
            path: path, reason: "Zstandard needs the library libzstd, which is not on this machine (Debian: libzstd1)")
    }

    func compress(_ bytes: [UInt8], path: String) throws -> [UInt8] {
        let room = bound(bytes.count)
        return try [UInt8](unsafeUninitializedCapacity: room) { output, count in
            let size = bytes.withUnsafeBytes { compressing(output.baseAddress, room, $0.baseAddress, $0.count, 3) }
            guard isError(size) == 0 else { throw NumericsError.file(path: path, reason: "Zstandard cannot compress") }
            count = size
        }
    }

    func decompress(_ bytes: UnsafeRawBufferPointer, size: Int, path: String) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: size) { output, count in
            let written = decompressing(output.baseAddress, size, bytes.baseAddress, bytes.count)
            guard isError(written) == 0, written == size else { throw ParquetCodec.damaged(path, "Zstandard") }
            count = size
        }
    }
}
