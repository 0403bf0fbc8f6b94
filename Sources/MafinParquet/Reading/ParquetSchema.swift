import MafinNumerics

/// A leaf of a file's schema: what Parquet stores as a column.
struct SchemaLeaf: Sendable {
    var path: [String]
    var type: PhysicalType
    /// Bytes of a value of ``PhysicalType/fixedBytes``.
    var length: Int
    var isHalf: Bool
    var isUUID: Bool
    /// Highest levels of definition and repetition.
    var definition: Int
    var repetition: Int
    /// The level of definition from which the innermost list has an element.
    var listDefinition: Int
    /// Whether integers have no sign.
    var isUnsigned = false
    /// Whether integers or bytes stand for something else: decimals, dates, times.
    var isEncoded = false

    /// Whether values are whole numbers.
    var isNumber: Bool { type == .integer32 || type == .integer64 }
}

extension SchemaLeaf {
    /// The leaves of a schema that is listed with each group before its members.
    /// - Throws: `NumericsError` for a schema that is damaged.
    static func leaves(of nodes: [CompactValue], path file: String) throws -> [SchemaLeaf] {
        let damaged = NumericsError.malformed(
            path: file, expected: "a Parquet file that is whole", found: "a schema that is damaged")
        var leaves: [SchemaLeaf] = []
        var next = 1
        func visit(_ path: [String], _ definition: Int, _ repetition: Int, _ listDefinition: Int) throws {
            guard next < nodes.count, path.count < 64, let name = nodes[next][4]?.text else { throw damaged }
            let node = nodes[next]
            next += 1
            let kind = node[3]?.integer ?? 0
            let definition = definition + (kind == 0 ? 0 : 1)
            let repetition = repetition + (kind == 2 ? 1 : 0)
            let listDefinition = kind == 2 ? definition : listDefinition
            let path = path + [name]
            if let members = node[5]?.integer, members > 0 {
                for _ in 0..<members { try visit(path, definition, repetition, listDefinition) }
                return
            }
            guard let type = node[1]?.integer.flatMap(PhysicalType.init) else { throw damaged }
            // The logical type in its new and its old form, as numbered by the format.
            let (logical, converted) = (node[10], node[6]?.integer ?? -1)
            var isUnsigned = (11...14).contains(converted)
            if case .boolean(let isSigned)? = logical?[10]?[2] { isUnsigned = !isSigned }
            leaves.append(
                SchemaLeaf(
                    path: path, type: type, length: node[2]?.integer ?? 0, isHalf: logical?[15] != nil,
                    isUUID: logical?[14] != nil, definition: definition, repetition: repetition,
                    listDefinition: listDefinition, isUnsigned: isUnsigned,
                    isEncoded: (5...10).contains(converted) || (5...8).contains { logical?[$0] != nil }))
        }
        guard let members = nodes.first?[5]?.integer, members >= 0 else { throw damaged }
        for _ in 0..<members { try visit([], 0, 0, 0) }
        return leaves
    }
}
