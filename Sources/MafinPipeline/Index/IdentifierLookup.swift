import Foundation
import MafinNumerics

/// Finds the row of an identifier in a mapped file of rows that are sorted by hash. A look-up reads a few pages, however many documents there are.
struct IdentifierLookup: Sendable {
    private let file: MappedFile
    /// Number of identifiers.
    var count: Int { file.count / Self.entrySize }

    private static let entrySize = 16

    init(_ url: URL) throws {
        file = try MappedFile(url)
    }

    /// Rows whose identifiers have the same hash as `id`. If the index holds `id`, its row is among them.
    func candidates(for id: String) -> [Int] {
        let wanted = Self.hash(id)
        return file.withUnsafeBytes { bytes in
            func hash(_ entry: Int) -> UInt64 {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: entry * Self.entrySize, as: UInt64.self))
            }
            var (low, high) = (0, count)
            while low < high {
                let middle = (low + high) / 2
                if hash(middle) < wanted { low = middle + 1 } else { high = middle }
            }
            var rows: [Int] = []
            while low < count, hash(low) == wanted {
                let row = bytes.loadUnaligned(fromByteOffset: low * Self.entrySize + 8, as: UInt64.self)
                // In a damaged file it may be any number. Who asks compares it with the number of documents.
                rows.append(Int(clamping: UInt64(littleEndian: row)))
                low += 1
            }
            return rows
        }
    }

    /// The file's content for identifiers in the order of their rows.
    static func data(for ids: some Sequence<String>) -> Data {
        let entries = ids.enumerated().map { (hash: hash($0.element), row: UInt64($0.offset)) }
            .sorted { ($0.hash, $0.row) < ($1.hash, $1.row) }
        var data = Data(capacity: entries.count * entrySize)
        for entry in entries {
            withUnsafeBytes(of: entry.hash.littleEndian) { data.append(contentsOf: $0) }
            withUnsafeBytes(of: entry.row.littleEndian) { data.append(contentsOf: $0) }
        }
        return data
    }

    /// FNV-1a of 64 bits over the UTF-8 bytes (Fowler, Noll and Vo): Swift's own hash differs between processes.
    private static func hash(_ id: String) -> UInt64 {
        id.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
