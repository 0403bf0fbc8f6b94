import Foundation
import MafinNumerics
import Synchronization

/// The keys that the service accepts. Only their hashes are kept, and no key is ever printed.
///
/// The file is read again when it changes. To rotate a key, add the new one, change the clients, and remove the old one. An empty file
/// locks all clients out.
package final class KeyRing: Sendable {
    /// A key without its secret.
    struct Key: Hashable, Sendable {
        /// Its name in the log.
        var name: String
        fileprivate var digest: [UInt8]
    }

    private struct State {
        var fromFile: [Key] = []
        var stamp: FileStamp?
    }

    /// Whether clients need a key.
    package let areRequired: Bool
    private let file: URL?
    private let fixed: [Key]
    private let state: Mutex<State>

    /// Keys of a list and of a file.
    /// - Parameters:
    ///   - keys: separated by commas or white space, as an environment variable holds them.
    ///   - file: one key a line, after a name and white space where it has a name. `#` at the beginning of a line or after white space
    ///     begins a comment.
    /// - Throws: ``KeyError``, which names no key.
    package init(keys: String? = nil, file: URL? = nil) throws {
        fixed = try (keys ?? "").split { $0 == "," || $0.isWhitespace }.enumerated().map { place, text in
            try Self.key(String(text), name: "key \(place + 1) of the environment")
        }
        self.file = file
        state = Mutex(State())
        if let file {
            let (keys, stamp) = try Self.read(file)
            state.withLock { ($0.fromFile, $0.stamp) = (keys, stamp) }
        }
        areRequired = keys != nil || file != nil
        if areRequired && all.isEmpty { throw KeyError.none(source: file?.path ?? "the environment") }
    }

    /// The key with this secret; `nil` if there is none. The time does not depend on how much of the secret is right.
    func key(of secret: String) -> Key? {
        let digest = ContentHash.sha256(Data(secret.utf8))
        var found: Key?
        for key in all {
            var difference: UInt8 = 0
            for (mine, theirs) in zip(key.digest, digest) { difference |= mine ^ theirs }
            if difference == 0 { found = key }
        }
        return found
    }

    /// Whether a key is still accepted.
    func contains(_ key: Key) -> Bool { all.contains { $0.digest == key.digest } }

    private var all: [Key] { fixed + state.withLock { $0.fromFile } }

    /// Reads the file again if it changed. If the file is missing or malformed, the keys stay as they are.
    /// - Returns: what to tell the operator; `nil` if nothing changed.
    func refresh() -> String? {
        guard let file else { return nil }
        let stamp = FileStamp(file)
        guard stamp != state.withLock({ $0.stamp }) else { return nil }
        do {
            let (keys, stamp) = try Self.read(file)
            state.withLock { ($0.fromFile, $0.stamp) = (keys, stamp) }
            return all.isEmpty
                ? "no key is left in \(file.path): every request that needs one is refused"
                : "\(keys.count) keys read from \(file.path)"
        } catch {
            state.withLock { $0.stamp = stamp }
            return "the keys stay as they were: \(error)"
        }
    }

    private static func read(_ file: URL) throws -> ([Key], FileStamp?) {
        let stamp = FileStamp(file)
        guard let data = FileManager.default.contents(atPath: file.path) else {
            throw KeyError.unreadable(path: file.path)
        }
        var keys: [Key] = []
        for (number, line) in String(decoding: data, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace).prefix { $0.first != "#" }
            guard let secret = words.last else { continue }
            guard words.count <= 2 else { throw KeyError.malformed(source: "\(file.path):\(number + 1)") }
            let name = words.count == 2 ? String(words[0]) : "line \(number + 1)"
            keys.append(try key(String(secret), name: name, source: "\(file.path):\(number + 1)"))
        }
        return (keys, stamp)
    }

    private static func key(_ secret: String, name: String, source: String? = nil) throws -> Key {
        guard secret.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), secret.utf8.count >= 8 else {
            throw KeyError.malformed(source: source ?? name)
        }
        return Key(name: name, digest: ContentHash.sha256(Data(secret.utf8)))
    }
}

/// Why keys cannot be used. It names their source, never a key.
package enum KeyError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be read.
    case unreadable(path: String)
    /// The source has no key.
    case none(source: String)
    /// The source has something that is not a key.
    case malformed(source: String)

    /// One sentence.
    package var description: String {
        switch self {
        case .unreadable(let path): "the file of keys \(path) cannot be read"
        case .none(let source): "there is no key in \(source)"
        case .malformed(let source):
            "\(source): expected a key of at least 8 printable ASCII characters, with a name before it or none"
        }
    }
}
