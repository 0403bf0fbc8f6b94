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

        init(identity: BlackBoxIdentity, role: TextRole) {
            let fields: [(name: String, value: String?)] = [
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
            var hasher = SHA256()
            for (_, value) in fields { Self.update(&hasher, with: value) }
            self.hasher = hasher
            description = fields.compactMap { name, value in value.map { "\(name)=\($0)" } }.joined(separator: "\n")
        }

        func key(of text: String) -> EmbeddingKey {
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
}
