/// A column of a Parquet file that is written.
public struct ParquetColumn: Sendable, Equatable {
    /// What a cell holds.
    public enum Kind: Sendable, Equatable {
        /// A text, UTF-8.
        case text
        /// A vector of so many 32-bit floats.
        case floats(Int)
        /// A vector of so many 16-bit floats.
        case halves(Int)
        /// A sparse vector: places and values.
        case terms
    }

    /// Its name.
    public var name: String
    /// What its cells hold.
    public var kind: Kind

    /// A column.
    public init(_ name: String, _ kind: Kind) { (self.name, self.kind) = (name, kind) }
}

/// The cells of a column, one for each row.
public enum ParquetCells: Sendable {
    /// Of a column of texts.
    case texts([String])
    /// Of a column of vectors, row after row.
    case rows([Float])
    /// Of a column of sparse vectors.
    case terms([(indices: [Int32], values: [Float])])
}

/// The types in which Parquet stores numbers and bytes, as the format numbers them.
enum PhysicalType: Int {
    case boolean = 0
    case integer32 = 1
    case integer64 = 2
    case integer96 = 3
    case float = 4
    case double = 5
    case bytes = 6
    case fixedBytes = 7
}

/// A node of a file's schema, as the format lists them: each group before its members.
struct SchemaNode {
    var name: String
    var type: PhysicalType?
    /// Of ``PhysicalType/fixedBytes``.
    var length: Int?
    /// 0: exactly one, 1: at most one, 2: any number.
    var repetition = 0
    var members = 0
    var logical = Logical.none

    enum Logical {
        case none, text, list, half
    }

    /// The nodes of a column.
    static func nodes(of column: ParquetColumn) -> [SchemaNode] {
        switch column.kind {
        case .text: [SchemaNode(name: column.name, type: .bytes, logical: .text)]
        case .floats: list(column.name, SchemaNode(name: "element", type: .float))
        case .halves: list(column.name, SchemaNode(name: "element", type: .fixedBytes, length: 2, logical: .half))
        case .terms:
            [SchemaNode(name: column.name, members: 2)]
                + list("indices", SchemaNode(name: "element", type: .integer32))
                + list("values", SchemaNode(name: "element", type: .float))
        }
    }

    /// A list in the three levels that the format prescribes.
    private static func list(_ name: String, _ element: SchemaNode) -> [SchemaNode] {
        [
            SchemaNode(name: name, members: 1, logical: .list),
            SchemaNode(name: "list", repetition: 2, members: 1), element,
        ]
    }

    func write(to writer: inout CompactWriter) {
        if let type { writer.integer32(1, type.rawValue) }
        if let length { writer.integer32(2, length) }
        writer.integer32(3, repetition)
        writer.text(4, name)
        if members > 0 { writer.integer32(5, members) }
        switch logical {
        case .none: break
        case .text:
            writer.integer32(6, 0)
            writer.structure(10) { $0.structure(1) { _ in } }
        case .list:
            writer.integer32(6, 3)
            writer.structure(10) { $0.structure(3) { _ in } }
        case .half: writer.structure(10) { $0.structure(15) { _ in } }
        }
    }
}
