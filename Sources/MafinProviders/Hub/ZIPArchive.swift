import CZlib
import Foundation
import MafinNumerics

/// Reads a ZIP archive, such as a Python wheel: entries that are stored or deflated, below 4 GiB, not encrypted.
struct ZIPArchive {
    /// A file of the archive.
    struct Entry {
        var name: String
        var size: Int
        fileprivate var isDeflated: Bool
        fileprivate var compressedSize: Int
        fileprivate var offset: Int
    }

    /// The files, in the order of the archive.
    let entries: [Entry]
    private let file: MappedFile
    private let path: String

    /// Reads the list of files.
    /// - Throws: ``ProviderError/corruptDownload(file:expected:found:)``, `NumericsError`
    init(_ url: URL) throws {
        path = url.path
        let file = try MappedFile(url)
        self.file = file
        entries = try file.withUnsafeBytes { [path] bytes in
            func fault(_ found: String) -> ProviderError {
                .corruptDownload(file: path, expected: "a ZIP archive", found: found)
            }
            // The record of the list is at the end, before a comment of up to 64 KiB.
            let lowest = max(0, bytes.count - 22 - 0xFFFF)
            guard bytes.count >= 22,
                let end = stride(from: bytes.count - 22, through: lowest, by: -1).first(where: {
                    bytes.integer(at: $0, 4) == 0x0605_4b50
                })
            else { throw fault("no list of files") }
            let (count, start) = (bytes.integer(at: end + 10, 2), bytes.integer(at: end + 16, 4))
            var (entries, place) = ([Entry](), start)
            for _ in 0..<count {
                guard place + 46 <= bytes.count, bytes.integer(at: place, 4) == 0x0201_4b50 else {
                    throw fault("a damaged list of files")
                }
                let (flags, method) = (bytes.integer(at: place + 8, 2), bytes.integer(at: place + 10, 2))
                let lengths = (28...32).filter { $0 % 2 == 0 }.map { bytes.integer(at: place + $0, 2) }
                let next = place + 46 + lengths.reduce(0, +)
                guard next <= bytes.count else { throw fault("a damaged list of files") }
                let name = String(decoding: bytes[place + 46..<place + 46 + lengths[0]], as: UTF8.self)
                guard flags & 1 == 0, method == 0 || method == 8 else {
                    throw fault("'\(name)' with the compression \(method)")
                }
                entries.append(
                    Entry(
                        name: name, size: bytes.integer(at: place + 24, 4), isDeflated: method == 8,
                        compressedSize: bytes.integer(at: place + 20, 4), offset: bytes.integer(at: place + 42, 4)))
                place = next
            }
            return entries
        }
    }

    /// Writes the content of an entry, piece by piece.
    /// - Throws: ``ProviderError/corruptDownload(file:expected:found:)``; what `write` throws.
    func read(_ entry: Entry, _ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        func fault(_ found: String) -> ProviderError {
            .corruptDownload(file: path, expected: "\(entry.size) bytes of '\(entry.name)'", found: found)
        }
        try file.withUnsafeBytes { bytes in
            guard entry.offset + 30 <= bytes.count, bytes.integer(at: entry.offset, 4) == 0x0403_4b50 else {
                throw fault("no such entry")
            }
            let start =
                entry.offset + 30 + bytes.integer(at: entry.offset + 26, 2) + bytes.integer(at: entry.offset + 28, 2)
            guard start + entry.compressedSize <= bytes.count else { throw fault("the end of the archive") }
            let content = UnsafeRawBufferPointer(rebasing: bytes[start..<start + entry.compressedSize])
            guard entry.isDeflated else {
                guard content.count == entry.size else { throw fault("\(content.count) bytes") }
                return try write(content)
            }
            let written = try Self.inflate(content, write)
            guard written == entry.size else { throw fault(written.map { "\($0) bytes" } ?? "damaged content") }
        }
    }

    /// - Returns: the number of bytes written; `nil` for content that is not deflated.
    private static func inflate(
        _ content: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int? {
        var stream = z_stream()
        // Negative: no header of zlib around the content.
        guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        var room = [UInt8](repeating: 0, count: 1 << 18)
        stream.next_in = UnsafeMutablePointer(
            mutating: content.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(content.count)
        var (written, status) = (0, Z_OK)
        while status == Z_OK {
            let count = try room.withUnsafeMutableBufferPointer { room in
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(room.count)
                status = CZlib.inflate(&stream, Z_NO_FLUSH)
                let count = room.count - Int(stream.avail_out)
                try write(UnsafeRawBufferPointer(start: room.baseAddress, count: count))
                return count
            }
            written += count
            // Content that ends too early would not go on.
            if count == 0, status == Z_OK { return nil }
        }
        return status == Z_STREAM_END ? written : nil
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian number of `length` bytes; 0 beyond the end.
    fileprivate func integer(at place: Int, _ length: Int) -> Int {
        guard place >= 0, place + length <= count else { return 0 }
        return (0..<length).reduce(0) { $0 | Int(self[place + $1]) << (8 * $1) }
    }
}
