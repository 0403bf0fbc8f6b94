import Foundation
import MafinBlackBox
import MafinNumerics

/// The key of a cached vector: SHA-256 over everything that determines it.
///
/// The fields are hashed with their lengths, so that two different lists of fields never give the same bytes. The role is not
/// a field: if queries and documents are sent in the same way, a text has one vector and is paid for once. Texts are compared by their bytes:
/// "é" as one scalar and as two scalars are equal Swift strings, but two texts to a tokenizer.
public struct EmbeddingKey: Sendable, Hashable {
    /// The 32 bytes of the hash.
    let bytes: Data

    /// The key of one text.
    public init(identity: BlackBoxIdentity, role: TextRole, text: String) {
        self = Source(identity: identity, role: role).key(of: text)
    }

    /// Everything that determines a vector except the text. It is hashed once for many texts.
    struct Source: Sendable {
        /// The same as text, for people who read the cache file.
        let description: String
        /// nil: it is only described.
        private let hash: ContentHash?

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
            // Added later. Without it, keys are the same as before.
            if let request = identity.request { fields.append(("request", request)) }
            var hash = ContentHash()
            for (_, value) in fields { Self.update(&hash, with: value) }
            self.hash = hash
            description = fields.compactMap { name, value in value.map { "\(name)=\($0)" } }.joined(separator: "\n")
        }

        /// A source from its description, for vectors whose keys are known. It cannot make keys.
        init(description: String) {
            self.description = description
            hash = nil
        }

        /// Names of the fields of a description, in the order in which they occur. `kind` and `maximum_tokens` are those of jobs of replies.
        private static let names = [
            "kind", "format", "provider", "endpoint", "model", "maximum_tokens", "dimension", "inputType", "prefix",
            "normalisation", "truncation", "contentHash", "request",
        ]

        /// The fields of a description. A value may contain line breaks, as prefixes do ("Instruct: …\nQuery: "). So a line is a new field only if
        /// it begins with the name of a field that may follow.
        static func fields(of description: String) -> [String: String] {
            var fields: [String: String] = [:]
            var (current, next): (String?, Int) = (nil, 0)
            for line in description.split(separator: "\n", omittingEmptySubsequences: false) {
                if let place = names[next...].firstIndex(where: { line.hasPrefix($0 + "=") }) {
                    fields[names[place]] = String(line.dropFirst(names[place].count + 1))
                    (current, next) = (names[place], place + 1)
                } else if let current {
                    fields[current]?.append("\n" + line)
                }
            }
            return fields
        }

        func key(of text: String) -> EmbeddingKey {
            guard var hash else { preconditionFailure("a source from a description makes no keys") }
            Self.update(&hash, with: text)
            return EmbeddingKey(bytes: Data(hash.finalize()))
        }

        /// One byte for whether there is a value, eight for its length, then the value.
        private static func update(_ hash: inout ContentHash, with value: String?) {
            guard let value else { return hash.update([0] as [UInt8]) }
            hash.update([1] as [UInt8])
            withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { hash.update($0) }
            hash.update(value)
        }
    }

    init(bytes: Data) { self.bytes = bytes }

    /// Reads a key; nil for anything but 64 hexadecimal digits.
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
