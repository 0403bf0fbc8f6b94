import Foundation

/// NumPy's `.npz` files: a ZIP archive with a `.npy` file for each array, without compression.
///
/// Every entry has the ZIP64 form, so that no array is too long.
struct NumPyArchive {
    /// An entry of the directory at the end of the file.
    private struct Entry {
        var name: String
        var checksum: UInt32
        var size: Int
        var offset: Int
    }

    private let file: PendingFile
    private var entries: [Entry] = []
    private var offset = 0

    init(in file: PendingFile) { self.file = file }

    /// Adds an array.
    /// - Parameters:
    ///   - size: length of its `.npy` file in bytes.
    ///   - pieces: calls its argument with the bytes of the `.npy` file, piece after piece. It is called twice, because the
    ///     checksum stands before the bytes.
    mutating func add(
        _ name: String, size: Int, pieces: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        var checksum = CyclicRedundancyCheck()
        try pieces { checksum.update($0) }
        let entry = Entry(name: name + ".npy", checksum: checksum.value, size: size, offset: offset)
        var header = LittleEndianBytes()
        header.append(UInt32(0x0403_4b50))
        header.append(common(entry))
        header.append(UInt16(20))  // Bytes of the extra field.
        header.append(Data(entry.name.utf8))
        header.append(sizes(entry, offset: false))
        try file.write(header.data)
        var written = 0
        try pieces {
            written += $0.count
            try file.write($0)
        }
        precondition(written == size, "\(written) bytes in an entry of \(size)")
        offset += header.data.count + size
        entries.append(entry)
    }

    /// Adds a short array.
    mutating func add(_ name: String, _ data: Data) throws {
        try add(name, size: data.count) { write in try data.withUnsafeBytes(write) }
    }

    /// Writes the directory. Nothing can be added afterwards.
    func finish() throws {
        var directory = LittleEndianBytes()
        for entry in entries {
            directory.append(UInt32(0x0201_4b50))
            directory.append(Self.version)
            directory.append(common(entry))
            directory.append(UInt16(28))  // Bytes of the extra field.
            directory.append(Data(count: 10))  // No comment, disk 0, no attributes.
            directory.append(UInt32.max)  // The offset is in the extra field.
            directory.append(Data(entry.name.utf8))
            directory.append(sizes(entry, offset: true))
        }
        let size = directory.data.count
        let count = UInt64(entries.count)
        directory.append(UInt32(0x0606_4b50))
        directory.append(UInt64(44))  // Bytes of this record that follow.
        directory.append(Self.version)
        directory.append(Self.version)
        directory.append(Data(count: 8))  // Disk 0.
        for number in [count, count, UInt64(size), UInt64(offset)] { directory.append(number) }
        directory.append(UInt32(0x0706_4b50))
        directory.append(UInt32(0))
        directory.append(UInt64(offset + size))
        directory.append(UInt32(1))
        directory.append(UInt32(0x0605_4b50))
        directory.append(Data(count: 4))
        directory.append(UInt16(entries.count))
        directory.append(UInt16(entries.count))
        directory.append(UInt32.max)
        directory.append(UInt32.max)
        directory.append(UInt16(0))
        try file.write(directory.data)
    }

    /// The version of the format that has ZIP64: 4.5.
    private static let version = UInt16(45)

    /// The fields that both headers of an entry have.
    private func common(_ entry: Entry) -> Data {
        var bytes = LittleEndianBytes()
        bytes.append(Self.version)
        bytes.append(UInt32(0))  // No flags, no compression.
        // The first date that there is, 1980-01-01, so that equal arrays give equal files.
        bytes.append(UInt32(0x0021_0000))
        bytes.append(entry.checksum)
        bytes.append(UInt32.max)  // The sizes are in the extra field.
        bytes.append(UInt32.max)
        bytes.append(UInt16(entry.name.utf8.count))
        return bytes.data
    }

    /// The extra field of ZIP64.
    private func sizes(_ entry: Entry, offset: Bool) -> Data {
        var bytes = LittleEndianBytes()
        bytes.append(UInt16(1))
        bytes.append(UInt16(offset ? 24 : 16))
        bytes.append(UInt64(entry.size))
        bytes.append(UInt64(entry.size))
        if offset { bytes.append(UInt64(entry.offset)) }
        return bytes.data
    }
}

/// Numbers as bytes, the lowest byte first.
private struct LittleEndianBytes {
    private(set) var data = Data()

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { data.append(contentsOf: $0) }
    }

    mutating func append(_ bytes: Data) { data.append(bytes) }
}

/// The checksum of ZIP: CRC-32 with the reversed polynomial EDB88320.
struct CyclicRedundancyCheck {
    private var state = UInt32.max

    /// The checksum of the bytes so far.
    var value: UInt32 { ~state }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { rest, _ in rest & 1 == 1 ? rest >> 1 ^ 0xedb8_8320 : rest >> 1 }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var state = state
        Self.table.withUnsafeBufferPointer { table in
            for byte in bytes { state = state >> 8 ^ table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] }
        }
        self.state = state
    }
}
