import Foundation

/// How a black box was opened, so that it can be opened again: what `--black-box` and the flags beside it said.
///
/// Artefacts carry it. It holds no secret: keys come from the user each time.
public struct BlackBoxSource: Sendable, Codable, Equatable {
    /// Kind and argument as given; a relative path stays relative.
    public var specification: BlackBoxSpecification
    /// The absolute path of the file or folder that ``specification`` named; nil for a model of a server or by a repository's name.
    public var resolvedPath: String?
    /// Base address of the server; nil: the provider's own.
    public var baseURL: String?
    /// Numbers in a vector that were asked for; nil: as many as the model gives.
    public var dimensions: Int?
    /// Put before each query; nil: what the model wants by itself.
    public var queryPrefix: String?
    /// Put before each document; nil: what the model wants by itself.
    public var documentPrefix: String?
    /// What is done with texts that are too long for the model; nil: they are errors.
    public var overflow: OverflowPolicy?

    /// A source; whatever is not given is what the black box does by itself.
    /// - Parameter workingDirectory: what relative paths are relative to.
    public init(
        _ specification: BlackBoxSpecification, baseURL: String? = nil, dimensions: Int? = nil,
        queryPrefix: String? = nil, documentPrefix: String? = nil, overflow: OverflowPolicy? = nil,
        workingDirectory: URL = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    ) {
        self.specification = specification
        self.baseURL = baseURL
        self.dimensions = dimensions
        self.queryPrefix = queryPrefix
        self.documentPrefix = documentPrefix
        self.overflow = overflow
        switch specification {
        case .vectors(let path): resolvedPath = Self.absolute(path, workingDirectory)
        case .local(let folder):
            // If there is no such folder, it may be the name of a model, which does not depend on the working directory.
            let path = Self.absolute(folder, workingDirectory)
            resolvedPath = FileManager.default.fileExists(atPath: path) ? path : nil
        case .provider: resolvedPath = nil
        }
    }

    /// Where the file or folder is now: the absolute path if it is still there, else the path as given, seen from `workingDirectory`.
    /// nil for a model of a server or by a repository's name.
    /// - Throws: ``BlackBoxError/missingFile(path:expected:)`` where it is in neither place, saying how to name another.
    public func currentPath(
        workingDirectory: URL = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    ) throws -> String? {
        let (given, kind, what): (String, String, String)
        switch specification {
        case .provider: return nil
        case .vectors(let path): (given, kind, what) = (path, "vectors", "the black box's stored vectors")
        case .local(let folder): (given, kind, what) = (folder, "local", "the black box's encoder")
        }
        let places = [resolvedPath, Self.absolute(given, workingDirectory)].compactMap { $0 }
        if let place = places.first(where: FileManager.default.fileExists(atPath:)) { return place }
        guard let resolvedPath else { return nil }
        throw BlackBoxError.missingFile(
            path: resolvedPath, expected: "\(what); if they moved, pass --black-box \(kind):PATH")
    }

    private static func absolute(_ path: String, _ workingDirectory: URL) -> String {
        // The shell leaves a tilde alone that follows `vectors:`.
        let path = path.hasPrefix("~/") ? NSString(string: path).expandingTildeInPath : path
        let url = path.hasPrefix("/") ? URL(fileURLWithPath: path) : workingDirectory.appendingPathComponent(path)
        return url.standardizedFileURL.path
    }
}

extension BlackBoxSpecification: Codable {
    /// Reads the text that ``init(parsing:)`` reads.
    /// - Throws: `DecodingError` where it names no black box.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            try self.init(parsing: try container.decode(String.self))
        } catch let error as BlackBoxError {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    /// Writes ``description``.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
