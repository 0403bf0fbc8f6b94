import Foundation

/// An error in a file of numbers, or in numbers from outside the program.
public enum NumericsError: Error, CustomStringConvertible, Equatable {
    /// The file could not be opened, read or written.
    case file(path: String, reason: String)
    /// The bytes do not follow the format.
    case malformed(path: String, expected: String, found: String)
    /// A tensor that was asked for is not in the file.
    case missingTensor(path: String, name: String, available: [String])
    /// A tensor has another shape than expected.
    case shape(path: String, name: String, expected: [Int], found: [Int])
    /// An instruction set that does not exist, or that this processor lacks.
    case instructionSet(source: String, name: String, available: [String], isKnown: Bool)

    /// One sentence that names the file.
    public var description: String {
        switch self {
        case .file(let path, let reason):
            "\(path): \(reason)"
        case .malformed(let path, let expected, let found):
            "\(path): expected \(expected), found \(found)"
        case .missingTensor(let path, let name, let available):
            "\(path): no tensor '\(name)'; it holds \(available.count): "
                + available.prefix(5).joined(separator: ", ") + (available.count > 5 ? ", …" : "")
        case .shape(let path, let name, let expected, let found):
            "\(path): tensor '\(name)' has shape \(found), expected \(expected)"
        case .instructionSet(let source, let name, let available, let isKnown):
            "\(source): '\(name)' is \(isKnown ? "an instruction set that this processor lacks" : "no instruction set"); "
                + "expected one of \(available.joined(separator: ", "))"
        }
    }

    /// A `file` error from `errno`.
    static func system(_ path: String) -> NumericsError {
        .file(path: path, reason: String(cString: strerror(errno)))
    }
}
