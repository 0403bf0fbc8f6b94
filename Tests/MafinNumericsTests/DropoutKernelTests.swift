import CMafinKernels
import MafinNumerics
import MafinTestSupport
import Testing

/// Masks that are computed, not stored.
@Suite struct DropoutKernelTests {
    /// 0 where an element is dropped, else the scale.
    static func mask(rows: Int, width: Int, _ dropout: mafin_dropout) -> [Float] {
        var mask = [Float](repeating: 1, count: rows * width)
        mask.withUnsafeMutableBufferPointer { values in
            if let base = values.baseAddress { mafin_apply_dropout(rows, width, base, dropout, base) }
        }
        return mask
    }

    static func dropout(_ probability: Double, seed: UInt64 = 1, firstRow: Int = 0) -> mafin_dropout {
        mafin_dropout(
            seed: seed, first_row: UInt64(firstRow), threshold: UInt32(probability * 0x1p32),
            scale: Float(1 / (1 - probability)))
    }

    @Test(arguments: [0.1, 0.3, 0.5, 0.9]) func dropsTheShareThatItShould(_ probability: Double) {
        let (rows, width) = (1000, 384)
        let mask = Self.mask(rows: rows, width: width, Self.dropout(probability))
        #expect(Set(mask) == [0, Float(1 / (1 - probability))])
        // Five standard deviations of a binomial count, for the whole and for the worst of the rows and columns.
        func check(_ kept: Int, of count: Int, deviations: Double) {
            let expected = Double(count) * (1 - probability)
            #expect(abs(Double(kept) - expected) < deviations * (expected * probability).squareRoot())
        }
        check(mask.count { $0 > 0 }, of: mask.count, deviations: 5)
        for row in 0..<rows { check(mask[row * width..<(row + 1) * width].count { $0 > 0 }, of: width, deviations: 6) }
        for column in 0..<width {
            check((0..<rows).count { mask[$0 * width + column] > 0 }, of: rows, deviations: 6)
        }
    }

    @Test func neighboursAreIndependent() {
        let (rows, width) = (1000, 384)
        let mask = Self.mask(rows: rows, width: width, Self.dropout(0.5)).map { $0 > 0 }
        // Pairs in a row, pairs in a column, and the same element under two seeds agree half of the time.
        let other = Self.mask(rows: rows, width: width, Self.dropout(0.5, seed: 2)).map { $0 > 0 }
        let count = (rows - 1) * (width - 1)
        var agree = [0, 0, 0]
        for row in 0..<rows - 1 {
            for column in 0..<width - 1 {
                let index = row * width + column
                if mask[index] == mask[index + 1] { agree[0] += 1 }
                if mask[index] == mask[index + width] { agree[1] += 1 }
                if mask[index] == other[index] { agree[2] += 1 }
            }
        }
        for number in agree {
            #expect(abs(Double(number) - Double(count) / 2) < 5 * (Double(count) / 4).squareRoot())
        }
    }

    @Test(arguments: InstructionSet.all) func isTheSameHoweverTheRowsAreSplit(_ set: InstructionSet) {
        set.run {
            let (rows, width) = (37, 65)
            let whole = Self.mask(rows: rows, width: width, Self.dropout(0.3))
            for piece in [1, 5, 12, 36] {
                var pieces: [Float] = []
                for first in stride(from: 0, to: rows, by: piece) {
                    pieces += Self.mask(
                        rows: min(piece, rows - first), width: width, Self.dropout(0.3, firstRow: first))
                }
                #expect(pieces == whole)
            }
            // A narrower call sees the same mask in the columns that it has.
            let narrow = Self.mask(rows: rows, width: 17, Self.dropout(0.3))
            for row in 0..<rows { #expect(narrow[row * 17..<(row + 1) * 17] == whole[row * width..<row * width + 17]) }
        }
    }

    @Test(arguments: InstructionSet.all) func isTheSameInEveryKernel(_ set: InstructionSet) {
        let (rows, width) = (9, 65)
        let dropout = Self.dropout(0.4, seed: 3, firstRow: 5)
        let widest = Self.mask(rows: rows, width: width, dropout)
        set.run {
            let mask = Self.mask(rows: rows, width: width, dropout)
            #expect(mask == widest, "no mask depends on the instruction set")
            let ones = [Float](repeating: 1, count: width)
            let zeros = [Float](repeating: 0, count: width)
            var affine = [Float](repeating: 1, count: rows * width)
            mafin_affine(rows, width, [Float](repeating: 1, count: rows * width), ones, zeros, dropout, &affine)
            #expect(affine == mask)
            // Layer norm keeps the order of values: the dropped ones are the smallest.
            var (normalized, scales) = ([Float](repeating: 0, count: rows * width), [Float](repeating: 0, count: rows))
            mafin_residual_norm(
                true,
                rows, width, [Float](repeating: 1, count: rows * width), nil, nil, dropout, 1e-5, &normalized, &scales)
            #expect(normalized.map { $0 > 0 } == mask.map { $0 > 0 })
        }
    }

    @Test(arguments: InstructionSet.all) func withoutThresholdNothingIsDropped(_ set: InstructionSet) {
        set.run {
            #expect(
                Self.mask(rows: 3, width: 65, ElementwiseKernelTests.noDropout) == [Float](repeating: 1, count: 195))
        }
    }
}
