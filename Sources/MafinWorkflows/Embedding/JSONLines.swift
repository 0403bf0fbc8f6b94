import Foundation
import MafinNumerics
import MafinPipeline

/// All vectors of a text as one line of JSON, in the shape of a database.
final class JSONLines: NamedVectorFiles {
    /// The databases.
    enum Shape {
        /// `{"id": UUID, "payload": {"_id": …}, "vector": {NAME: [0.1, …], NAME: {"indices": [3, …], "values": [0.7, …]}}}`
        case qdrant
        /// `{"_id": …, NAME: [0.1, …], NAME: {"term": 0.7, …}}`
        case elasticsearch
    }

    private let shape: Shape
    private let file: PendingFile

    init(_ shape: Shape, in folder: URL) throws {
        self.shape = shape
        file = try PendingFile(at: folder.appendingPathComponent(Self.fileName(shape)))
    }

    private static func fileName(_ shape: Shape) -> String {
        shape == .qdrant ? "points.jsonl" : "documents.jsonl"
    }

    func name(_ part: String, _ face: SourceFace) -> String { Self.fileName(shape) }

    func append(
        ids: [String], dense: [(name: String, vectors: Matrix)], sparse: [(name: String, vectors: [[SparseTerm]])]
    ) throws {
        var text: [UInt8] = []
        for (row, id) in ids.enumerated() {
            switch shape {
            case .qdrant:
                text += Array("{\"id\":\"\(StableUUID.of(id))\",\"payload\":{\"_id\":".utf8)
                JSONText.append(quoted: id, to: &text)
                text += Array("},\"vector\":{".utf8)
            case .elasticsearch:
                text += Array("{\"_id\":".utf8)
                JSONText.append(quoted: id, to: &text)
            }
            var isFirst = shape == .qdrant
            func begin(_ name: String) {
                if !isFirst { text.append(UInt8(ascii: ",")) }
                isFirst = false
                JSONText.append(quoted: name, to: &text)
                text.append(UInt8(ascii: ":"))
            }
            for (name, vectors) in dense {
                begin(name)
                Self.append(vectors.row(row), to: &text)
            }
            for (name, vectors) in sparse {
                begin(name)
                append(vectors[row], to: &text)
            }
            text += Array((shape == .qdrant ? "}}\n" : "}\n").utf8)
            if text.count > 1 << 20 {
                try file.write(Data(text))
                text.removeAll(keepingCapacity: true)
            }
        }
        try file.write(Data(text))
    }

    func finish() throws { try file.commit() }

    private func append(_ terms: [SparseTerm], to text: inout [UInt8]) {
        switch shape {
        case .qdrant:
            text += Array("{\"indices\":".utf8)
            Self.append(terms.map(\.index), to: &text)
            text += Array(",\"values\":".utf8)
            Self.append(terms.map(\.weight), to: &text)
        case .elasticsearch:
            text.append(UInt8(ascii: "{"))
            for (place, term) in terms.enumerated() {
                if place > 0 { text.append(UInt8(ascii: ",")) }
                JSONText.append(quoted: term.term, to: &text)
                text += Array(":\(term.weight)".utf8)
            }
        }
        text.append(UInt8(ascii: "}"))
    }

    /// A list of numbers. Each has as many digits as it takes to read the same number again.
    private static func append(_ numbers: some Sequence<some CustomStringConvertible>, to text: inout [UInt8]) {
        var separator = UInt8(ascii: "[")
        for number in numbers {
            text.append(separator)
            text += Array(number.description.utf8)
            separator = UInt8(ascii: ",")
        }
        if separator == UInt8(ascii: "[") { text.append(separator) }
        text.append(UInt8(ascii: "]"))
    }
}
