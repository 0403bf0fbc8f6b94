import Foundation
import MafinNumerics
import Testing

@testable import MafinPipeline
@testable import MafinStores

/// Two texts with vectors whose numbers no format can change, and what the official clients write of them
/// (Tools/write_store_goldens.py).
enum Fixture {
    static let parts = [
        StorePart(name: "black-box", face: .dense, dimension: 3), StorePart(name: "local", face: .dense, dimension: 2),
        StorePart(name: "bm25", face: .sparse, dimension: 32),
    ]
    static let schema = StoreSchema(parts: parts, holdsTexts: true)
    static let batch = StoreBatch(
        ids: ["d1", "döc 2"], hashes: ["a1", "b2"], texts: ["wing flow", "a \"quoted\" text\nof two lines"],
        dense: [
            Matrix(rows: 2, columns: 3, values: [0.5, -0.25, 1, 0, 0.125, -2]),
            Matrix(rows: 2, columns: 2, values: [1.5, 0.75, -1, 3]),
        ],
        sparse: [
            [[SparseTerm(index: 3, term: "wing", weight: 1.25), SparseTerm(index: 17, term: "flow", weight: 0.5)], []]
        ])
    /// The same for a store of one vector a text.
    static let joined = StoreBatch(
        ids: batch.ids, hashes: batch.hashes, texts: batch.texts,
        dense: [Matrix(rows: 2, columns: 5, values: [0.5, -0.25, 1, 1.5, 0.75, 0, 0.125, -2, -1, 3])], sparse: [])
    static let joinedSchema = StoreSchema(
        parts: [StorePart(name: "joined", face: .dense, dimension: 5)], holdsTexts: true)
    static let terms = [
        StoreTerm(source: "black-box", part: "black-box", weight: 0.625),
        StoreTerm(source: "local", part: "local", weight: 0.375), StoreTerm(source: "bm25", part: "bm25", weight: 0.25),
    ]
    static let query = StoreQueryVectors(
        dense: ["black-box": [1, 0.5, 0.25], "local": [0.5, -0.5]],
        sparse: [
            "bm25": [SparseTerm(index: 3, term: "wing", weight: 1.5), SparseTerm(index: 5, term: "lift", weight: 2)]
        ])

    /// What an official client wrote.
    static func golden(_ path: String...) throws -> JSONValue {
        let folder = try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil))
        var value = try JSONValue(parsing: Array(Data(contentsOf: folder.appendingPathComponent("requests.json"))))
        for key in path { value = try #require(value[key], "\(path)") }
        return value
    }
}

/// A JSON value whose members are in the order of their keys and whose numbers are numbers, so that two values can be compared.
indirect enum ComparedJSON: Equatable {
    case other(JSONValue)
    case number(Double)
    case list([ComparedJSON])
    case members([String: ComparedJSON])

    init(_ value: JSONValue) {
        switch value {
        case .number(let text): self = .number(Double(text) ?? .nan)
        case .array(let elements): self = .list(elements.map(ComparedJSON.init))
        case .object(let members):
            self = .members(Dictionary(members.map { ($0.key, ComparedJSON($0.value)) }) { first, _ in first })
        default: self = .other(value)
        }
    }

    init(_ node: JSONNode) throws { self.init(try JSONValue(parsing: node.bytes)) }
}
