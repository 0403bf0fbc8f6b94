import Foundation

/// How a black box was opened, so that it can be opened again: the values of `--black-box` and its related flags.
///
/// It is stored in artefacts. It holds no secret: the user gives the key each time.
public struct BlackBoxSource: Sendable, Codable, Equatable {
    /// Kind and argument as given; a relative path stays relative.
    public var specification: BlackBoxSpecification
    /// The absolute path of the file or folder that ``specification`` named; nil for a model of a server, a database, and a model that is named by its repository.
    public var resolvedPath: String?
    /// Base address of the server; nil: the provider's own.
    public var baseURL: String?
    /// Numbers in a vector that were asked for; nil: as many as the model gives.
    public var dimensions: Int?
    /// Put before each query; nil: the model's default.
    public var queryPrefix: String?
    /// Put before each document; nil: the model's default.
    public var documentPrefix: String?
    /// What is done with texts that are too long for the model; nil: they are errors.
    public var overflow: OverflowPolicy?

    /// A source. What is not given is the black box's default.
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
        case .vectors(let path) where BlackBoxSpecification.isDatabase(path): resolvedPath = nil
        case .vectors(let path): resolvedPath = Self.absolute(path, workingDirectory)
        case .local(let folder):
            // If there is no such folder, it may be the name of a model, which does not depend on the working directory.
            let path = Self.absolute(folder, workingDirectory)
            resolvedPath = FileManager.default.fileExists(atPath: path) ? path : nil
        case .provider: resolvedPath = nil
        }
    }

    /// Where the file or folder is now: the absolute path if it is still there, else the path as given, relative to `workingDirectory`.
    /// nil for a model of a server, and for a model that is named by its repository.
    /// - Throws: ``BlackBoxError/missingFile(path:expected:)`` if it is in neither place; the error says how to name another.
    public func currentPath(
        workingDirectory: URL = URL(fileURLWithPath: FileManager.default.currentDirectoryPath),
        flag: String = "--black-box"
    ) throws -> String? {
        let (given, kind, what): (String, String, String)
        switch specification {
        case .provider: return nil
        case .vectors(let path) where BlackBoxSpecification.isDatabase(path): return nil
        case .vectors(let path): (given, kind, what) = (path, "vectors", "the black box's stored vectors")
        case .local(let folder): (given, kind, what) = (folder, "local", "the black box's encoder")
        }
        let places = [resolvedPath, Self.absolute(given, workingDirectory)].compactMap { $0 }
        if let place = places.first(where: FileManager.default.fileExists(atPath:)) { return place }
        guard let resolvedPath else { return nil }
        throw BlackBoxError.missingFile(
            path: resolvedPath, expected: "\(what); if they moved, pass \(flag) \(kind):PATH")
    }

    private static func absolute(_ path: String, _ workingDirectory: URL) -> String {
        // The shell does not expand a tilde after `vectors:`.
        let path = path.hasPrefix("~/") ? NSString(string: path).expandingTildeInPath : path
        let url = path.hasPrefix("/") ? URL(fileURLWithPath: path) : workingDirectory.appendingPathComponent(path)
        return url.standardizedFileURL.path
    }
}

extension BlackBoxSpecification: Codable {
    /// Reads the text that ``init(parsing:)`` reads.
    /// - Throws: `DecodingError` if it names no black box.
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
