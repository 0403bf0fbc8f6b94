import Foundation

/// The golden files of this test target.
enum Goldens {
    struct Missing: Error { let name: String }

    static func url(_ name: String) throws -> URL {
        guard let folder = Bundle.module.url(forResource: "Goldens", withExtension: nil) else {
            throw Missing(name: name)
        }
        return folder.appendingPathComponent(name)
    }

    static func read<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(contentsOf: url(name)))
    }
}
