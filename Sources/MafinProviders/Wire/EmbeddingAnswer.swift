import MafinBlackBox
import MafinNumerics

/// The body of an answer. Its content decides how it is decoded, whatever was requested.
enum EmbeddingAnswer: Sendable {
    case vectors(Vectors)
    /// A well-formed answer without any vector. Some servers send this if base64 was requested.
    case noVectors
    /// An error, though the status was 200.
    case complaint(ServerComplaint)

    /// The vectors of an answer; every text of the request is in ``items`` or in ``faults``.
    struct Vectors: Sendable {
        /// Positions in the request of the rows of ``rows``.
        var items: [Int]
        /// The usable vectors.
        var rows: Matrix
        /// The texts whose vector cannot be used.
        var faults: [VectorFault]
        /// Tokens that the server has counted; nil if it does not say.
        var tokens: Int?
        /// Whether any of them was in base64.
        var isBase64 = false
    }

    /// What is wrong with one vector.
    struct VectorFault: Error, Sendable, Equatable {
        /// Position of the text in the request.
        let item: Int
        let reason: String
        /// Whether it has another length than all earlier ones. Then another model has answered, and no vector of the answer can be used.
        var isDimension = false
    }

    /// What is wrong with an answer as a whole.
    struct Fault: Error, Equatable {
        let reason: String
        /// Whether it is a web page, for example of a proxy, which no text has caused.
        var isPage = false
    }

    /// Reads the vectors at the paths of `shape`: numbers or base64, which may differ from row to row, in any order of `index`.
    /// - Parameters:
    ///   - shape: the paths of the answer's items.
    ///   - count: the number of texts in the request.
    ///   - dimension: the required dimension, and the end of a sentence that says why; nil: the dimension of the first vector.
    /// - Throws: ``Fault``: not JSON, not exactly one vector per text, an index that is missing, repeated or out of range.
    static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, shape: AnswerShape, count: Int,
        dimension: (expected: Int, why: String)? = nil
    ) throws -> EmbeddingAnswer {
        var scanner = JSONScanner(bytes)
        guard let first = scanner.peek(), first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            throw Fault(reason: "no JSON object: " + ServerComplaint(status: 200, body: bytes).message, isPage: true)
        }
        var reader = AnswerReader(shape: shape, capacity: count)
        do {
            try reader.read(&scanner)
            try scanner.finish()
        } catch let failure as JSONSyntaxError {
            throw Fault(reason: "malformed JSON: \(failure)")
        }
        if reader.lengths.allSatisfy({ $0 == 0 }) {
            let isError = !reader.names.isDisjoint(with: ["error", "detail", "message", "msg"])
            return isError ? .complaint(.inSuccess(body: bytes)) : .noVectors
        }
        return .vectors(try reader.vectors(count: count, dimension: dimension))
    }
}

/// Reads an answer in one pass, all rows into one buffer.
private struct AnswerReader {
    private let nodes: [AnswerShape.Node]
    private let capacity: Int
    /// Numbers in each row; nil: its base64 does not contain floats.
    private(set) var lengths: [Int?] = []
    private var values: [Float] = []
    private var indices: [Int?] = []
    private var index: Int?
    private var tokens: Int?
    private var isBase64 = false
    /// Members of the outermost object.
    private(set) var names: Set<String> = []

    init(shape: AnswerShape, capacity: Int) {
        nodes = shape.nodes
        self.capacity = capacity
    }

    mutating func read(_ scanner: inout JSONScanner) throws { try read(&scanner, node: 0, depth: 0) }

    private mutating func read(_ scanner: inout JSONScanner, node: Int, depth: Int) throws {
        let place = nodes[node]
        switch (scanner.peek(), place.item) {
        case (UInt8(ascii: "\""), .vector):
            isBase64 = true
            append(Base64Floats.append(try scanner.rawString(), to: &values))
        case (UInt8(ascii: "["), .vector) where place.element == nil: append(try scanner.appendFloats(to: &values))
        case (UInt8(ascii: "["), _):
            guard let element = place.element else { return try scanner.skipValue() }
            try readElements(&scanner, node: element, depth: depth)
        case (UInt8(ascii: "{"), _):
            try scanner.members { scanner, name in
                if depth == 0 { names.insert(name) }
                guard let child = place.members[name] else { return try scanner.skipValue() }
                try read(&scanner, node: child, depth: depth + 1)
            }
        case (UInt8(ascii: "n"), .vector):
            try scanner.skipValue()
            append(0)
        case (let byte?, .index) where byte != UInt8(ascii: "n"): index = try scanner.integer()
        case (let byte?, .tokens) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte):
            tokens = Int(try scanner.literal()) ?? tokens
        default: try scanner.skipValue()
        }
    }

    /// Reads the elements of an array. An index belongs to the vector of the same element.
    private mutating func readElements(_ scanner: inout JSONScanner, node: Int, depth: Int) throws {
        try scanner.elements { scanner in
            let (outerIndex, before) = (index, lengths.count)
            index = nil
            try read(&scanner, node: node, depth: depth + 1)
            if let index {
                if lengths.count == before { append(0) }
                indices[before] = index
            }
            index = outerIndex
        }
    }

    private mutating func append(_ length: Int?) {
        if lengths.isEmpty, let length { values.reserveCapacity(length * capacity) }
        lengths.append(length)
        indices.append(nil)
    }

    func vectors(
        count: Int, dimension known: (expected: Int, why: String)?
    ) throws -> EmbeddingAnswer.Vectors {
        guard lengths.count == count else {
            throw EmbeddingAnswer.Fault(reason: "\(lengths.count) vectors for \(count) texts")
        }
        let order = try order()
        var starts = [0]
        for (row, length) in lengths.enumerated() { starts.append(starts[row] + (length ?? 0)) }
        var expected = known?.expected
        let why = known?.why ?? "the first of the answer has"
        var (good, faults): ([Int], [EmbeddingAnswer.VectorFault]) = ([], [])
        for (item, row) in order.enumerated() {
            switch lengths[row] {
            case nil: faults.append(.init(item: item, reason: "its base64 does not hold 32-bit floats"))
            case 0: faults.append(.init(item: item, reason: "it is missing or empty"))
            case let length?:
                let wanted = expected ?? length
                expected = wanted
                guard length == wanted else {
                    let reason =
                        known == nil
                        ? "\(length) numbers where \(why) \(wanted)" : "\(length) numbers where \(wanted) \(why)"
                    faults.append(.init(item: item, reason: reason, isDimension: true))
                    continue
                }
                switch VectorCheck(values[starts[row]..<starts[row + 1]]) {
                case .good: good.append(item)
                case .zero: faults.append(.init(item: item, reason: "all zeros"))
                case .notFinite(let column, let value):
                    faults.append(
                        .init(item: item, reason: value.isNaN ? "null or NaN at \(column)" : "\(value) at \(column)"))
                }
            }
        }
        let columns = good.isEmpty ? 0 : expected ?? 0
        let rows: Matrix
        if faults.isEmpty, order == Array(0..<count) {
            rows = Matrix(rows: count, columns: columns, values: values)
        } else {
            var selected: [Float] = []
            selected.reserveCapacity(good.count * columns)
            for item in good { selected += values[starts[order[item]]..<starts[order[item] + 1]] }
            rows = Matrix(rows: good.count, columns: columns, values: selected)
        }
        return EmbeddingAnswer.Vectors(items: good, rows: rows, faults: faults, tokens: tokens, isBase64: isBase64)
    }

    /// The row of each text.
    private func order() throws -> [Int] {
        let given = indices.compactMap { $0 }
        if given.isEmpty { return Array(lengths.indices) }  // without any index, the order is that of the request
        guard given.count == lengths.count else {
            throw EmbeddingAnswer.Fault(
                reason: "'index' is missing on \(lengths.count - given.count) of \(lengths.count) vectors")
        }
        var rowOfItem = [Int?](repeating: nil, count: given.count)
        for (row, item) in given.enumerated() {
            guard rowOfItem.indices.contains(item) else {
                throw EmbeddingAnswer.Fault(reason: "'index' \(item) in an answer of \(given.count) vectors")
            }
            guard rowOfItem[item] == nil else {
                throw EmbeddingAnswer.Fault(reason: "'index' \(item) on two vectors")
            }
            rowOfItem[item] = row
        }
        return rowOfItem.compactMap { $0 }
    }
}
