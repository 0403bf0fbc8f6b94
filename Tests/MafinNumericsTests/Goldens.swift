import Foundation
import Testing

/// Files that Tools/write_numerics_goldens.py wrote.
enum Goldens {
    /// An array as Python saw it.
    struct Expected: Decodable {
        var shape: [Int]
        /// The values converted to float32, as bits.
        var bits: [UInt32]
    }

    static func url(_ name: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil)).appendingPathComponent(name)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from name: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: url(name)))
    }

    static func expected(_ name: String) throws -> Expected {
        try #require(decode([String: Expected].self, from: "expected.json")[name])
    }
}
