/// UUIDs of names, for databases whose ids are UUIDs.
package enum StableUUID {
    /// The namespace OID of RFC 9562.
    private static let namespace: [UInt8] = [
        0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
    ]

    /// The UUID of version 5 of a name: Python's `uuid.uuid5(uuid.NAMESPACE_OID, name)`. The same text gets the same id in every run, so that
    /// a database replaces it.
    package static func of(_ name: String) -> String {
        var hash = ContentHash(.sha1)
        hash.update(namespace)
        hash.update(name)
        var bytes = Array(hash.finalize().prefix(16))
        bytes[6] = bytes[6] & 0x0f | 0x50
        bytes[8] = bytes[8] & 0x3f | 0x80
        return text(of: bytes)
    }

    /// The usual form of the 16 bytes of a UUID: `6ba7b812-9dad-11d1-80b4-00c04fd430c8`.
    package static func text(of bytes: some Sequence<UInt8>) -> String {
        let digits = Array(ContentHash.hexadecimal(bytes))
        precondition(digits.count == 32, "a UUID has 16 bytes")
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }
}
