import MafinNumerics

/// Weighted sums of columns with many random weightings, used by both the bootstrap and the randomization test.
///
/// A weighting of the queries is drawn once and used for all columns (systems, metrics), so that columns stay paired.
/// 10,000 weightings of 5,000 queries for 10 columns take 5·10⁸ multiply-adds.
enum Resampling {
    /// Number of weightings that are drawn from one generator. Each block has its own generator, so that the result
    /// does not depend on the number of threads.
    private static let blockLength = 64
    private typealias Lanes = SIMD4<Double>

    /// `result[c][r] = Σ_q weight[r][q] · columns[c][q]`.
    /// - Parameters:
    ///   - columns: one value per query each, all of the same length.
    ///   - count: number of weightings `r`.
    ///   - draw: fills the weights of one weighting, one per query.
    static func weightedSums(
        of columns: [[Double]], count: Int, seed: UInt64,
        draw: @Sendable (inout RandomGenerator, UnsafeMutableBufferPointer<Double>) -> Void
    ) -> [[Double]] {
        let length = columns.first?.count ?? 0
        precondition(columns.allSatisfy { $0.count == length }, "columns of unequal length")
        // Columns are padded with zeros to whole vectors.
        let stride = (length + Lanes.scalarCount - 1) / Lanes.scalarCount * Lanes.scalarCount
        var padded = [Double](repeating: 0, count: columns.count * stride)
        for (index, column) in columns.enumerated() {
            padded.replaceSubrange(index * stride..<index * stride + length, with: column)
        }
        let values = padded
        let first = RandomGenerator.mix(seed)
        var flat = [Double](repeating: 0, count: columns.count * count)
        flat.withUnsafeMutableBufferPointer { output in
            let output = UnsafeTransfer(output)
            parallelFor((count + blockLength - 1) / blockLength) { block in
                var generator = RandomGenerator(seed: first &+ UInt64(block))
                var weights = [Double](repeating: 0, count: stride)
                weights.withUnsafeMutableBufferPointer { weights in
                    values.withUnsafeBufferPointer { values in
                        for row in block * blockLength..<min(count, (block + 1) * blockLength) {
                            draw(&generator, UnsafeMutableBufferPointer(rebasing: weights[..<length]))
                            for column in 0..<columns.count {
                                output.value[column * count + row] = dot(
                                    UnsafeRawBufferPointer(weights), UnsafeRawBufferPointer(values),
                                    bOffset: column * stride * MemoryLayout<Double>.stride)
                            }
                        }
                    }
                }
            }
        }
        return columns.indices.map { Array(flat[$0 * count..<($0 + 1) * count]) }
    }

    /// Adds to each sum over `queries` a random draw of the error that is due to seeds.
    /// - Parameter errors: the errors of each column; empty: no column has any.
    static func add(_ errors: [[SeedError]], to sums: inout [[Double]], queries: Int, seed: UInt64) {
        precondition(errors.isEmpty || errors.count == sums.count, "\(errors.count) errors of \(sums.count) columns")
        for (column, errors) in errors.enumerated() {
            for (index, error) in errors.enumerated() where error.standardError > 0 {
                // A system gets the same draws whether it is computed alone or with others.
                var generator = RandomGenerator(seed: RandomGenerator.mix(seed) &+ UInt64.max / 3 &+ UInt64(index))
                let scale = error.standardError * Double(queries)
                for row in sums[column].indices {
                    sums[column][row] += scale * StudentT.draw(error.degreesOfFreedom, &generator)
                }
            }
        }
    }

    /// Inner product of `a` and the same number of bytes of `b` from `bOffset` on. Both are whole vectors. Four
    /// accumulators hide the latency of the additions.
    private static func dot(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, bOffset: Int) -> Double {
        precondition(bOffset + a.count <= b.count)
        func product(_ offset: Int) -> Lanes {
            a.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
                * b.loadUnaligned(fromByteOffset: bOffset + offset, as: Lanes.self)
        }
        let width = MemoryLayout<Lanes>.size
        var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var offset = 0
        while offset + 4 * width <= a.count {
            sums.0 += product(offset)
            sums.1 += product(offset + width)
            sums.2 += product(offset + 2 * width)
            sums.3 += product(offset + 3 * width)
            offset += 4 * width
        }
        while offset < a.count {
            sums.0 += product(offset)
            offset += width
        }
        return ((sums.0 + sums.1) + (sums.2 + sums.3)).sum()
    }
}
