import MafinNumerics

/// The weights of the two sources' scores: `z = blackBox · s_bb + local · s_θ`.
///
/// Both are at least 0, and their sum is above 0. As weights of a logit they are `(1−λ)/τ` and `λ/τ`, so that
/// `λ = local / (blackBox + local)` and `τ = 1 / (blackBox + local)`are the λ and the temperature of Mafin (arXiv
/// 2402.12177). Only the two weights are stored.
public struct MixtureWeights: Sendable, Hashable {
    /// Weight of the black box's score.
    public let blackBox: Float
    /// Weight of the local encoder's score.
    public let local: Float

    /// - Precondition: both are at least 0, and their sum is finite and above 0.
    public init(blackBox: Float, local: Float) {
        precondition(Self.areWeights(blackBox, local), "(\(blackBox), \(local)) are no weights of a mixture")
        self.blackBox = blackBox
        self.local = local
    }

    /// Weights by λ and temperature.
    /// - Parameters:
    ///   - lambda: share of the local score, in 0…1.
    ///   - temperature: τ, above zero; with 1 the mixture is `(1−λ) s_bb + λ s_θ`.
    public init(lambda: Float, temperature: Float = 1) {
        precondition((0...1).contains(lambda), "λ = \(lambda) is not in 0…1")
        precondition(temperature > 0, "temperature \(temperature) is not above zero")
        self.init(blackBox: (1 - lambda) / temperature, local: lambda / temperature)
    }

    /// λ: the share of the local score, in 0…1.
    public var lambda: Float { local / (blackBox + local) }

    /// τ: the logit is the mixture with the weights `1−λ` and `λ`, divided by τ.
    public var temperature: Float { 1 / (blackBox + local) }

    /// The weights of Mafin as published: λ = ½. The paper does not state its temperature; .05 is our choice.
    public static let paper = MixtureWeights(lambda: 0.5, temperature: 0.05)

    /// These weights, with a larger local weight if λ is below `minimum`, which is below 1. The black box's weight
    /// stays the same.
    package func withLambda(atLeast minimum: Float) -> MixtureWeights {
        guard lambda < minimum else { return self }
        return MixtureWeights(blackBox: blackBox, local: blackBox * minimum / (1 - minimum))
    }

    private static func areWeights(_ blackBox: Float, _ local: Float) -> Bool {
        blackBox >= 0 && local >= 0 && blackBox + local > 0 && (blackBox + local).isFinite
    }
}

/// Stored as `{"blackBox": 10, "local": 10}`.
extension MixtureWeights: Codable {
    private enum CodingKeys: String, CodingKey { case blackBox, local }

    /// Reads both weights and checks them.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let (blackBox, local) = (
            try container.decode(Float.self, forKey: .blackBox), try container.decode(Float.self, forKey: .local)
        )
        guard Self.areWeights(blackBox, local) else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: decoder.codingPath,
                    debugDescription: "expected two weights of at least 0, not both 0, found \(blackBox) and \(local)"))
        }
        self.init(blackBox: blackBox, local: local)
    }
}

// MARK: The formula

extension MixtureWeights {
    /// The mixture of two score matrices, element by element.
    ///
    /// The scores of a source of weight 0 are not read. If one weight is 0 and the other 1, the scores come back bit
    /// for bit.
    /// - Parameters:
    ///   - blackBox: `(queries, documents)`; `nil` stands for zeros.
    ///   - local: of the same shape.
    /// - Complexity: O(queries · documents), on all threads.
    public func mix(blackBox: Matrix?, local: Matrix) -> Matrix {
        guard let blackBox, self.blackBox != 0 else { return self.local == 1 ? local : Self.scaled(local, self.local) }
        precondition(
            blackBox.rows == local.rows && blackBox.columns == local.columns,
            "\(blackBox.rows) × \(blackBox.columns) scores of the black box, \(local.rows) × \(local.columns) local ones"
        )
        if self.local == 0 { return self.blackBox == 1 ? blackBox : Self.scaled(blackBox, self.blackBox) }
        return Self.map(blackBox, local) { self.mix(blackBox: $0, local: $1, into: $2) }
    }

    /// The mixture of two scores, the same number as in ``mix(blackBox:local:)-(Matrix?,Matrix)``.
    package func mix(blackBox: Float, local: Float) -> Float {
        if self.blackBox == 0 { return self.local * local }
        if self.local == 0 { return self.blackBox * blackBox }
        return self.blackBox * blackBox + self.local * local
    }

    /// Does what ``mix(blackBox:local:)-(Matrix?,Matrix)`` does for one row, with the same results bit for bit.
    func mix(
        blackBox: UnsafeBufferPointer<Float>, local: UnsafeBufferPointer<Float>,
        into target: UnsafeMutableBufferPointer<Float>
    ) {
        let (first, second) = (self.blackBox, self.local)
        if first == 0 {
            for index in target.indices { target[index] = second * local[index] }
        } else if second == 0 {
            for index in target.indices { target[index] = first * blackBox[index] }
        } else {
            for index in target.indices { target[index] = first * blackBox[index] + second * local[index] }
        }
    }

    private static func scaled(_ matrix: Matrix, _ factor: Float) -> Matrix {
        map(matrix, matrix) { values, _, target in
            for index in target.indices { target[index] = factor * values[index] }
        }
    }

    private static func map(
        _ first: Matrix, _ second: Matrix,
        _ body:
            @Sendable (
                _ first: UnsafeBufferPointer<Float>, _ second: UnsafeBufferPointer<Float>,
                _ target: UnsafeMutableBufferPointer<Float>
            ) -> Void
    ) -> Matrix {
        let count = first.values.count
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = count
            first.values.withUnsafeBufferPointer { first in
                second.values.withUnsafeBufferPointer { second in
                    let buffers = UnsafeTransfer((first: first, second: second, target: buffer))
                    parallelRanges(count, grain: 4_096) { range in
                        let (first, second, target) = buffers.value
                        body(
                            UnsafeBufferPointer(rebasing: first[range]), UnsafeBufferPointer(rebasing: second[range]),
                            UnsafeMutableBufferPointer(rebasing: target[range]))
                    }
                }
            }
        }
        return Matrix(rows: first.rows, columns: first.columns, values: values)
    }
}
