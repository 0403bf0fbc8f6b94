import Foundation
import MafinNumerics
import Synchronization

/// The keys that the service takes. Only their hashes are kept, and none is ever printed.
///
/// The file is read again when it changes: a key is rotated by adding the new one, moving clients over, and taking the old one out.
public final class KeyRing: Sendable {
    private struct Key {
        var name: String
        var digest: [UInt8]
    }

    private struct State {
        var fromFile: [Key] = []
        var stamp: FileStamp?
    }

    private let file: URL?
    private let fixed: [Key]
    private let state: Mutex<State>

    /// Keys of a list and of a file.
    /// - Parameters:
    ///   - keys: separated by commas or white space, as an environment variable holds them.
    ///   - file: one key a line, a name and white space before it where it has one; `#` begins a comment.
    /// - Throws: ``KeyError``, which names no key.
    public init(keys: String? = nil, file: URL? = nil) throws {
        fixed = try (keys ?? "").split { $0 == "," || $0.isWhitespace }.enumerated().map { place, text in
            try Self.key(String(text), name: "key \(place + 1) of the environment")
        }
        self.file = file
        state = Mutex(State())
        if let file {
            let (keys, stamp) = try Self.read(file)
            state.withLock { ($0.fromFile, $0.stamp) = (keys, stamp) }
        }
        if (keys != nil || file != nil) && isEmpty { throw KeyError.none(source: file?.path ?? "the environment") }
    }

    /// Whether everybody may ask.
    public var isEmpty: Bool { fixed.isEmpty && state.withLock { $0.fromFile.isEmpty } }

    /// The name of a key; `nil` where it is none of these. The time does not depend on how much of it is right.
    func name(of secret: String) -> String? {
        let digest = ContentHash.sha256(Array(secret.utf8))
        var found: String?
        for key in fixed + state.withLock({ $0.fromFile }) {
            var difference: UInt8 = 0
            for (mine, theirs) in zip(key.digest, digest) { difference |= mine ^ theirs }
            if difference == 0 { found = key.name }
        }
        return found
    }

    /// Reads the file again where it changed. A file that is missing or wrong leaves the keys as they are.
    /// - Returns: what to tell the operator; `nil` where nothing changed.
    func refresh() -> String? {
        guard let file else { return nil }
        let stamp = FileStamp(file)
        guard stamp != state.withLock({ $0.stamp }) else { return nil }
        do {
            let (keys, stamp) = try Self.read(file)
            guard !keys.isEmpty || !fixed.isEmpty else { throw KeyError.none(source: file.path) }
            state.withLock { ($0.fromFile, $0.stamp) = (keys, stamp) }
            return "\(keys.count) keys read from \(file.path)"
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
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
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
        return Key(name: name, digest: ContentHash.sha256(Array(secret.utf8)))
    }
}

/// Why keys cannot be used; names where they stand, never what they are.
public enum KeyError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be read.
    case unreadable(path: String)
    /// There is no key where keys were promised.
    case none(source: String)
    /// Something is no key.
    case malformed(source: String)

    /// One sentence.
    public var description: String {
        switch self {
        case .unreadable(let path): "the file of keys \(path) cannot be read"
        case .none(let source): "there is no key in \(source)"
        case .malformed(let source):
            "\(source): expected a key of at least 8 printable ASCII characters, with a name before it or none"
        }
    }
}

/// Enough of a file to see that it was replaced or written to.
struct FileStamp: Equatable, Sendable {
    private let path: String
    private let number: Int?
    private let size: Int?
    private let modified: Date?

    /// Symbolic links are followed; `nil` where there is no file.
    init?(_ url: URL) {
        path = url.resolvingSymlinksInPath().path
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }
        number = (attributes[.systemFileNumber] as? NSNumber)?.intValue
        size = (attributes[.size] as? NSNumber)?.intValue
        modified = attributes[.modificationDate] as? Date
    }
}
