import Foundation
import MafinEncoder
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

/// A file written by Tools/write_encoder_goldens.py.
struct Golden {
    let file: SafeTensorsFile

    init(_ name: String) throws {
        file = try SafeTensorsFile(Self.url("\(name).safetensors"))
    }

    static func url(_ name: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil)).appendingPathComponent(name)
    }

    func floats(_ name: String) throws -> [Float] { try file.floats(of: name) }

    func matrix(_ name: String) throws -> Matrix {
        let shape = try #require(file.shape(of: name))
        return Matrix(rows: shape[0], columns: shape[1], values: try floats(name))
    }

    func batch(_ name: String) throws -> TokenBatch {
        let lengths = try floats("\(name).lengths").map { Int($0) }
        return TokenBatch(
            ids: try floats("\(name).ids").map { Int32($0) },
            offsets: lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) })
    }

    func loss(_ kind: GoldenLoss.Kind) throws -> GoldenLoss { GoldenLoss(kind: kind, grades: try matrix("grades")) }
}

/// The losses of the goldens, in `Double`, by their definition.
struct GoldenLoss {
    enum Kind: String, CaseIterable {
        case infoNCE
        case listwise
    }

    var kind: Kind
    /// `(n, n)`, of each query's documents.
    var grades: Matrix
    var temperature = 0.05

    /// The loss of n query embeddings followed by n document embeddings, and its gradient with respect to them.
    func evaluate(_ embeddings: Matrix) -> (value: Double, gradient: Matrix) {
        let count = embeddings.rows / 2
        let width = embeddings.columns
        let rows = (0..<embeddings.rows).map { embeddings.row($0).map(Double.init) }
        let norms = rows.map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let unit = zip(rows, norms).map { row, norm in row.map { $0 / norm } }
        func softmax(_ z: [Double]) -> [Double] {
            let top = z.max() ?? 0
            let sum = z.reduce(0) { $0 + exp($1 - top) }
            return z.map { exp($0 - top) / sum }
        }
        var value = 0.0
        var gradient = [[Double]](repeating: [Double](repeating: 0, count: width), count: embeddings.rows)
        for query in 0..<count {
            let scores = (count..<2 * count).map { document in
                zip(unit[query], unit[document]).reduce(0) { $0 + $1.0 * $1.1 } / temperature
            }
            let target =
                switch kind {
                case .infoNCE: (0..<count).map { $0 == query ? 1.0 : 0.0 }
                case .listwise: softmax(grades.row(query).map(Double.init))
                }
            let probabilities = softmax(scores)
            for document in 0..<count {
                value -= target[document] * log(probabilities[document]) / Double(count)
                let dscore = (probabilities[document] - target[document]) / Double(count) / temperature
                for column in 0..<width {
                    gradient[query][column] += dscore * unit[count + document][column]
                    gradient[count + document][column] += dscore * unit[query][column]
                }
            }
        }
        var result = Matrix(rows: embeddings.rows, columns: width)
        for row in 0..<embeddings.rows {
            let along = zip(gradient[row], unit[row]).reduce(0) { $0 + $1.0 * $1.1 }
            for column in 0..<width {
                result[row, column] = Float((gradient[row][column] - along * unit[row][column]) / norms[row])
            }
        }
        return (value, result)
    }
}
