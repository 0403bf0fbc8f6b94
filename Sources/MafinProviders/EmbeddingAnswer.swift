import MafinBlackBox
import MafinNumerics

/// The body of an answer to `/v1/embeddings`, decoded by what came and not by what was asked for.
enum EmbeddingAnswer: Sendable {
    /// One row per text, in the order of the request.
    case vectors(Matrix)
    /// A well-formed answer without any vector: some servers give that when they are asked for base64.
    case noVectors
    /// An error, though the status was 200.
    case complaint(ServerComplaint)

    /// What is wrong with an answer.
    enum Fault: Error, Equatable {
        /// The answer as a whole.
        case answer(String)
        /// The vector of one text (position in the request).
        case vector(item: Int, String)
    }

    /// Reads `{"data":[{"index":0,"embedding":[…] or "base64"}, …]}`: floats or base64 (each row for itself), any order of `index`.
    ///
    /// - Parameter count: how many texts were asked.
    /// - Throws: ``Fault``: not JSON, other than one vector per text, an index that is missing, double or out of range, rows of different
    ///   lengths, elements that are not finite, a row of zeros.
    static func decode(_ bytes: UnsafeBufferPointer<UInt8>, count: Int) throws -> EmbeddingAnswer {
        var scanner = JSONScanner(bytes)
        guard scanner.peek() == UInt8(ascii: "{") else {
            throw Fault.answer("no JSON object: " + ServerComplaint(status: 200, body: bytes).message)
        }
        var rows = Rows()
        var names: Set<String> = []
        do {
            try scanner.members { scanner, name in
                names.insert(name)
                if name == "data", scanner.peek() == UInt8(ascii: "[") {
                    try scanner.elements { try rows.append(&$0, capacity: count) }
                } else {
                    try scanner.skipValue()
                }
            }
            guard scanner.isAtEnd() else { throw scanner.failure("end of the answer") }
        } catch let failure as JSONScanner.Failure {
            throw Fault.answer("malformed JSON: \(failure)")
        }
        if ServerComplaint.isError(memberNames: names) { return .complaint(.inSuccess(body: bytes)) }
        guard !rows.lengths.allSatisfy({ $0 == 0 }) else { return .noVectors }
        return .vectors(try rows.matrix(count: count))
    }

    /// Rows as they arrive, end to end in one buffer.
    private struct Rows {
        private(set) var lengths: [Int] = []
        private var values: [Float] = []
        private var indices: [Int?] = []

        mutating func append(_ scanner: inout JSONScanner, capacity: Int) throws {
            var index: Int?
            var length = 0
            try scanner.members { scanner, name in
                switch name {
                case "index" where scanner.peek() != UInt8(ascii: "n"): index = try scanner.integer()
                case "embedding": length = try appendVector(&scanner)
                default: try scanner.skipValue()
                }
            }
            if lengths.isEmpty { values.reserveCapacity(length * capacity) }
            lengths.append(length)
            indices.append(index)
        }

        private mutating func appendVector(_ scanner: inout JSONScanner) throws -> Int {
            switch scanner.peek() {
            case UInt8(ascii: "["): return try scanner.appendFloats(to: &values)
            case UInt8(ascii: "\""):
                guard let length = Base64Floats.append(try scanner.rawString(), to: &values) else {
                    throw Fault.vector(item: lengths.count, "its base64 does not hold 32-bit floats")
                }
                return length
            default:
                try scanner.skipValue()
                return 0
            }
        }

        func matrix(count: Int) throws -> Matrix {
            guard lengths.count == count else { throw Fault.answer("\(lengths.count) vectors for \(count) texts") }
            let order = try order()
            let dimension = lengths[order[0]]
            var starts = [0]
            for length in lengths { starts.append((starts.last ?? 0) + length) }
            for (item, row) in order.enumerated() {
                guard lengths[row] != 0 else { throw Fault.vector(item: item, "it is missing or empty") }
                guard lengths[row] == dimension else {
                    throw Fault.vector(
                        item: item, "\(lengths[row]) numbers where the first of the answer has \(dimension)")
                }
                switch VectorCheck(values[starts[row]..<starts[row] + dimension]) {
                case .good: continue
                case .zero: throw Fault.vector(item: item, "all zeros")
                case .notFinite(let column, let value):
                    throw Fault.vector(item: item, value.isNaN ? "null or NaN at \(column)" : "\(value) at \(column)")
                }
            }
            let arrived = Matrix(rows: count, columns: dimension, values: values)
            return order == Array(0..<count) ? arrived : arrived.selecting(rows: order)
        }

        /// For each text, which row is its own.
        private func order() throws -> [Int] {
            let given = indices.compactMap { $0 }
            if given.isEmpty { return Array(lengths.indices) }  // no index anywhere: the order of the request
            guard given.count == lengths.count else {
                throw Fault.answer("'index' is missing on \(lengths.count - given.count) of \(lengths.count) vectors")
            }
            var rowOfItem = [Int?](repeating: nil, count: given.count)
            for (row, item) in given.enumerated() {
                guard rowOfItem.indices.contains(item) else {
                    throw Fault.answer("'index' \(item) in an answer of \(given.count) vectors")
                }
                guard rowOfItem[item] == nil else { throw Fault.answer("'index' \(item) on two vectors") }
                rowOfItem[item] = row
            }
            return rowOfItem.compactMap { $0 }
        }
    }
}
