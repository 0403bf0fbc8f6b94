import Crypto
import Foundation
import MafinBlackBox

/// What a cached vector is found by: SHA-256 over everything that determines it.
///
/// The fields are hashed with their lengths, so that no two different lists of fields run together. The role itself is not among
/// them: where queries and documents are asked in the same way, a text has one vector and is paid for once. Texts count by their
/// bytes: "é" as one scalar and as two are equal Swift strings and yet two texts to a tokenizer.
public struct EmbeddingKey: Sendable, Hashable {
    /// The 32 bytes of the hash.
    let bytes: Data

    /// The key of one text.
    public init(identity: BlackBoxIdentity, role: TextRole, text: String) {
        self = Source(identity: identity, role: role).key(of: text)
    }

    /// Everything that determines a vector, except for the text: hashed once, used for many texts.
    struct Source: Sendable {
        /// The same in words, for whoever looks into the cache.
        let description: String
        private let hasher: SHA256
        private let canHash: Bool

        init(identity: BlackBoxIdentity, role: TextRole) {
            var fields: [(name: String, value: String?)] = [
                ("format", "1"),
                ("provider", identity.provider),
                ("endpoint", identity.endpoint),
                ("model", identity.model),
                ("dimension", identity.dimension.map(String.init)),
                ("inputType", identity.inputType(for: role)),
                ("prefix", identity.prefix(for: role)),
                ("normalisation", identity.normalisation.rawValue),
                ("truncation", identity.truncation),
                ("contentHash", identity.contentHash),
            ]
            // Younger than the others: where there is none, keys are what they were.
            if let request = identity.request { fields.append(("request", request)) }
            var hasher = SHA256()
            for (_, value) in fields { Self.update(&hasher, with: value) }
            self.hasher = hasher
            canHash = true
            description = fields.compactMap { name, value in value.map { "\(name)=\($0)" } }.joined(separator: "\n")
        }

        /// A source as the cache describes it, to which vectors with known keys belong.
        init(description: String) {
            self.description = description
            hasher = SHA256()
            canHash = false
        }

        /// The fields of a description.
        static func fields(of description: String) -> [String: String] {
            var fields: [String: String] = [:]
            for line in description.split(separator: "\n") {
                guard let equals = line.firstIndex(of: "=") else { continue }
                fields[String(line[..<equals])] = String(line[line.index(after: equals)...])
            }
            return fields
        }

        func key(of text: String) -> EmbeddingKey {
            precondition(canHash, "a source that is only described makes no keys")
            var hasher = hasher
            Self.update(&hasher, with: text)
            return EmbeddingKey(bytes: Data(hasher.finalize()))
        }

        /// One byte for whether there is a value, eight for its length, then the value.
        private static func update(_ hasher: inout SHA256, with value: String?) {
            guard let value else { return hasher.update(data: [0]) }
            let bytes = Array(value.utf8)
            hasher.update(data: [1])
            withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hasher.update(bufferPointer: $0) }
            hasher.update(data: bytes)
        }
    }

    init(bytes: Data) { self.bytes = bytes }

    /// The key that is written so; nil for anything but 64 hexadecimal digits.
    init?(hexadecimal text: String) {
        guard text.utf8.count == 64 else { return nil }
        var bytes = Data(capacity: 32)
        var rest = text[...]
        while !rest.isEmpty {
            guard rest.first?.isHexDigit == true, let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        self.bytes = bytes
    }
}
