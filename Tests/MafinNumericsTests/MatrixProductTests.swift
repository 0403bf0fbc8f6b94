import CMafinKernels
import MafinNumerics
import MafinTestSupport
import Testing

/// The matrix products against a naive one in `Double`, around the edges of tiles (12 or 6 or 4 rows, 32 or 16 or 8
/// columns) and blocks (384 deep, 96 high, 512 or 128 wide; A is packed beyond 128 or 64 columns), by every instruction set
/// that runs here.
@Suite struct MatrixProductTests {
    struct Shape: CustomTestStringConvertible {
        var m: Int
        var n: Int
        var k: Int
        var testDescription: String { "\(m) × \(n) × \(k)" }
    }

    /// Every pair of odd sizes once, against varying third sizes, and a few that are large on one side.
    static let shapes: [Shape] = {
        let sizes = [1, 7, 11, 12, 13, 31, 32, 33, 63, 64, 65]
        var shapes: [Shape] = []
        for (i, m) in sizes.enumerated() {
            for (j, n) in sizes.enumerated() {
                shapes.append(Shape(m: m, n: n, k: sizes[(i * 4 + j * 7) % sizes.count]))
            }
        }
        for large in [383, 384, 385] {
            shapes += [
                Shape(m: 13, n: 33, k: large), Shape(m: 13, n: large, k: 7), Shape(m: large, n: 7, k: 33),
                Shape(m: 5, n: large, k: large), Shape(m: 97, n: large, k: large),
            ]
        }
        return shapes + [Shape(m: 3, n: 127, k: 5), Shape(m: 3, n: 129, k: 5), Shape(m: 2, n: 641, k: 769)]
            + [95, 96, 98, 193].map { Shape(m: $0, n: 130, k: 25) }
    }()

    static func values(_ count: Int, seed: UInt64) -> [Float] {
        var random = RandomGenerator(seed: seed)
        return (0..<count).map { _ in 2 * random.uniform() - 1 }
    }

    /// Both products of one shape, with every transposition; strides are `gap` above the width.
    private func check(_ shape: Shape, alpha: Float, beta: Float, gap: Int) {
        let (m, n, k) = (shape.m, shape.n, shape.k)
        for (transposeA, transposeB) in [(false, false), (false, true), (true, false), (true, true)] {
            let (strideA, strideB) = ((transposeA ? m : k) + gap, (transposeB ? k : n) + gap)
            let strideC = n + gap
            let a = Self.values((transposeA ? k : m) * strideA, seed: 1)
            let b = Self.values((transposeB ? n : k) * strideB, seed: 2)
            var c = Self.values(m * strideC, seed: 3)
            if beta == 0 {
                for i in 0..<m {
                    for j in 0..<n { c[i * strideC + j] = .nan }
                }
            }
            let expected = NaiveKernels.product(
                transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, alpha: alpha, a, strideA: strideA, b,
                strideB: strideB, beta: beta, c, strideC: strideC)
            // Rounding of a sum of k products of values up to 1. What is between the rows must not change.
            let bound = Double(max(1, abs(alpha))) * (1e-7 * Double(k) + 1e-6)
            for set in InstructionSet.all {
                set.run {
                    var product = c
                    mafin_sgemm(transposeA, transposeB, m, n, k, alpha, a, strideA, b, strideB, beta, &product, strideC)
                    #expect(
                        largestDifference(product, expected) <= bound, "\(set) \(shape) \(transposeA) \(transposeB)")
                    var packed = [Float](repeating: .nan, count: mafin_packed_size(n, k))
                    mafin_pack(transposeB, n, k, b, strideB, &packed)
                    #expect(!packed.contains { $0.isNaN }, "packing leaves no float unset")
                    product = c
                    mafin_sgemm_packed(transposeA, m, n, k, alpha, a, strideA, packed, beta, &product, strideC)
                    #expect(
                        largestDifference(product, expected) <= bound,
                        "packed \(set) \(shape) \(transposeA) \(transposeB)")
                }
            }
        }
    }

    @Test(arguments: shapes) func oddSizes(_ shape: Shape) {
        check(shape, alpha: 1, beta: 0, gap: 0)
    }

    @Test(arguments: [(Float(-0.5), Float(1)), (2, 0.25), (1, -1), (0, 0.5)]) func factors(
        _ alpha: Float, _ beta: Float
    ) {
        for shape in [Shape(m: 13, n: 33, k: 65), Shape(m: 12, n: 32, k: 385), Shape(m: 7, n: 321, k: 12)] {
            check(shape, alpha: alpha, beta: beta, gap: 0)
        }
    }

    @Test(arguments: [1, 3, 32]) func stridesAboveTheWidth(_ gap: Int) {
        for shape in [Shape(m: 13, n: 33, k: 65), Shape(m: 12, n: 64, k: 384), Shape(m: 1, n: 1, k: 1)] {
            check(shape, alpha: 1, beta: 0, gap: gap)
            check(shape, alpha: 1.5, beta: 1, gap: gap)
        }
    }

    /// A product computed in parts of its columns equals the whole product bit for bit.
    @Test(arguments: InstructionSet.all, [(5, 96, 33), (13, 200, 385), (12, 333, 769)])
    func partsOfTheColumns(_ set: InstructionSet, _ shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        set.run {
            let a = Self.values(m * k, seed: 1)
            let b = Self.values(n * k, seed: 2)
            var packed = [Float](repeating: .nan, count: mafin_packed_size(n, k))
            mafin_pack(true, n, k, b, k, &packed)
            var whole = [Float](repeating: .nan, count: m * n)
            mafin_sgemm_packed(false, m, n, k, 1, a, k, packed, 0, &whole, n)
            let tile = mafin_packed_columns(1)
            #expect(mafin_packed_columns(n) >= n && mafin_packed_columns(n) % tile == 0)
            for width in [tile, 3 * tile, 1000 * tile] {
                var parts = [Float](repeating: .nan, count: m * n)
                for first in stride(from: 0, to: n, by: width) {
                    parts.withUnsafeMutableBufferPointer { parts in
                        guard let base = parts.baseAddress else { return }
                        mafin_sgemm_packed_columns(
                            false, m, n, k, first, min(width, n - first), 1, a, k, packed, 0, base + first, n)
                    }
                }
                #expect(parts == whole)
            }
        }
    }

    @Test(arguments: InstructionSet.all) func emptyOperands(_ set: InstructionSet) {
        set.run {
            // k = 0: only beta has an effect.
            var c: [Float] = [1, 2, .nan, 4]
            mafin_sgemm(false, false, 2, 2, 0, 1, [0], 1, [0], 2, 0, &c, 2)
            #expect(c == [0, 0, 0, 0])
            c = [1, 2, 3, 4]
            mafin_sgemm_packed(false, 2, 2, 0, 1, [0], 1, [0], 0.5, &c, 2)
            #expect(c == [0.5, 1, 1.5, 2])
            mafin_sgemm(false, false, 0, 2, 3, 1, [0], 3, [Float](repeating: 0, count: 6), 2, 0, &c, 2)
            mafin_sgemm(false, false, 2, 0, 3, 1, [Float](repeating: 0, count: 6), 3, [0], 0, 0, &c, 2)
            #expect(c == [0.5, 1, 1.5, 2], "no row or no column: nothing is written")
        }
    }

    /// An inner product does not depend on the rows beside its own.
    @Test(arguments: [(1, 1, 1), (3, 97, 384), (300, 650, 33), (0, 4, 3), (4, 0, 3)])
    func innerProductsOfRows(_ rows: Int, _ columns: Int, _ depth: Int) {
        let a = Matrix(rows: rows, columns: depth, values: Self.values(rows * depth, seed: 1))
        let b = Matrix(rows: columns, columns: depth, values: Self.values(columns * depth, seed: 2))
        let products = Matrix.innerProducts(a, b)
        #expect(products.rows == rows && products.columns == columns)
        let expected = NaiveKernels.product(
            transposeA: false, transposeB: true, m: rows, n: columns, k: depth, alpha: 1, a.values, strideA: depth,
            b.values, strideB: depth, beta: 0, products.values, strideC: columns)
        #expect(largestDifference(products.values, expected) <= 1e-7 * Double(depth) + 1e-6)
        for row in stride(from: 0, to: rows, by: 31) {
            #expect(Matrix.innerProducts(a.selecting(rows: [row]), b).values == Array(products.row(row)))
        }
        #expect(Parallelism.withThreads(1) { Matrix.innerProducts(a, b) } == products)
    }

    @Test(arguments: [(1, 1, 1), (65, 7, 33), (7, 650, 385), (650, 7, 12), (129, 129, 64)])
    func matricesOnAnyNumberOfThreads(_ rows: Int, _ columns: Int, _ depth: Int) {
        let a = Matrix(rows: rows, columns: depth, values: Self.values(rows * depth, seed: 1))
        let b = Matrix(rows: columns, columns: depth, values: Self.values(columns * depth, seed: 2))
        let right = Matrix(rows: depth, columns: columns, values: Self.values(columns * depth, seed: 3))
        let transposed = Parallelism.withThreads(1) { Matrix.multiply(a, transposed: b) }
        let plain = Parallelism.withThreads(1) { Matrix.multiply(a, right) }
        for (product, b, isTransposed) in [(transposed, b, true), (plain, right, false)] {
            #expect(product.rows == rows && product.columns == columns)
            let expected = NaiveKernels.product(
                transposeA: false, transposeB: isTransposed, m: rows, n: columns, k: depth, alpha: 1, a.values,
                strideA: depth, b.values, strideB: isTransposed ? depth : columns, beta: 0, product.values,
                strideC: columns)
            #expect(largestDifference(product.values, expected) <= 1e-7 * Double(depth) + 1e-6)
        }
        let left = Matrix(rows: depth, columns: rows, values: Self.values(rows * depth, seed: 4))
        let leftTransposed = Parallelism.withThreads(1) { Matrix.multiply(transposed: left, right) }
        let expected = NaiveKernels.product(
            transposeA: true, transposeB: false, m: rows, n: columns, k: depth, alpha: 1, left.values, strideA: rows,
            right.values, strideB: columns, beta: 0, leftTransposed.values, strideC: columns)
        #expect(largestDifference(leftTransposed.values, expected) <= 1e-7 * Double(depth) + 1e-6)
        for threads in [2, 3, 8] {
            Parallelism.withThreads(threads) {
                #expect(Matrix.multiply(a, transposed: b) == transposed, "equal to the last bit")
                #expect(Matrix.multiply(a, right) == plain)
                #expect(Matrix.multiply(transposed: left, right) == leftTransposed)
            }
        }
    }

    @Test func matricesWithoutRows() {
        let nothing = Matrix(rows: 0, columns: 3)
        let some = Matrix(rows: 2, columns: 3, repeating: 1)
        #expect(Matrix.multiply(nothing, transposed: some) == Matrix(rows: 0, columns: 2))
        #expect(Matrix.multiply(some, transposed: nothing) == Matrix(rows: 2, columns: 0))
        #expect(
            Matrix.multiply(Matrix(rows: 2, columns: 0), Matrix(rows: 0, columns: 3)) == Matrix(rows: 2, columns: 3))
        #expect(Matrix.multiply(transposed: nothing, nothing) == Matrix(rows: 3, columns: 3))
    }

    @Test func instructionSetsAreNamedAndChosen() {
        let names = InstructionSet.all.map(\.description)
        let known = [
            "portable", "avx2", "avx-vnni", "avx512", "avx512-vnni", "avx512-bf16", "amx", "dotprod", "neon-bf16",
        ]
        #expect(names.first == "portable" && names == known.filter(names.contains), "from the lowest to the widest")
        #expect(mafin_instruction_set() == mafin_instruction_sets() - 1, "the widest unless a test chose another")
        mafin_use_instruction_set(99)
        #expect(mafin_instruction_set() == mafin_instruction_sets() - 1, "one that the processor lacks is not used")
        mafin_use_instruction_set(-1)
    }
}
