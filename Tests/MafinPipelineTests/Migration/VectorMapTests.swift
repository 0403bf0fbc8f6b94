import MafinNumerics
import Testing

@testable import MafinPipeline

@Suite struct VectorMapTests {
    /// A case of `vector-maps.json`.
    private struct Golden: Decodable {
        var rows, columns, outputs, rank: Int
        var x, y, procrustes, ridge, ridgeOffset, lowRank, lowRankOffset: [Float]
        var strength: Double

        var old: Matrix { Matrix(rows: rows, columns: columns, values: x) }
        var new: Matrix { Matrix(rows: rows, columns: outputs, values: y) }
    }

    private static func goldens() throws -> [String: Golden] { try Goldens.read("vector-maps.json") }

    private func distance(_ found: [Float], _ expected: [Float]) -> Float {
        guard found.count == expected.count else { return .infinity }
        return zip(found, expected).map { abs($0 - $1) }.max() ?? 0
    }

    private static func normal(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
    }

    private static func unit(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        normal(rows, columns, seed: seed).normalizedRows().matrix
    }

    @Test(arguments: ["equal dimensions", "to fewer dimensions", "to more dimensions"])
    func closedFormsAreThoseOfNumPyAndSciPy(_ name: String) throws {
        let golden = try #require(try Self.goldens()[name])
        let procrustes = VectorMap.procrustes(from: golden.old, to: golden.new)
        #expect(distance(procrustes.matrix.values, golden.procrustes) < 2e-5)
        #expect(procrustes.offset.allSatisfy { $0 == 0 })
        let moments = VectorMap.Moments(from: golden.old, to: golden.new)
        let ridge = VectorMap.ridge(moments, strength: golden.strength)
        #expect(distance(ridge.matrix.values, golden.ridge) < 2e-5)
        #expect(distance(ridge.offset, golden.ridgeOffset) < 2e-5)
        let reduced = VectorMap.lowRank(moments, ridge: ridge, rank: golden.rank)
        #expect(distance(reduced.matrix.values, golden.lowRank) < 2e-5)
        #expect(distance(reduced.offset, golden.lowRankOffset) < 2e-5)
        #expect(ridge.inputDimension == golden.columns && ridge.outputDimension == golden.outputs)
    }

    /// `unit(W x + b)`, written out.
    @Test func aMapIsAppliedAsItsFormulaSays() throws {
        let golden = try #require(try Self.goldens()["to fewer dimensions"])
        let map = VectorMap.ridge(VectorMap.Moments(from: golden.old, to: golden.new), strength: 0.1)
        let mapped = map(golden.old)
        for row in [0, 17, 59] {
            let raw = (0..<golden.outputs).map { output in
                (0..<golden.columns).reduce(Double(map.offset[output])) {
                    $0 + Double(map.matrix[output, $1]) * Double(golden.old[row, $1])
                }
            }
            let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(distance(Array(mapped.row(row)), raw.map { Float($0 / length) }) < 1e-5)
        }
    }

    /// A rotation is found from as many pairs as there are dimensions, and nothing else is needed.
    @Test func procrustesFindsARotation() throws {
        let rotation = Self.normal(24, 24, seed: 1).polarFactor()
        let old = Self.unit(120, 24, seed: 2)
        let new = Matrix.multiply(old, transposed: rotation)
        let choice = try VectorMapChoice(from: old, to: new, for: .documents, seed: 1)
        #expect(choice.chosen.form == .procrustes && choice.chosen.agreement == 1)
        let others = Self.unit(50, 24, seed: 3)
        let expected = Matrix.multiply(others, transposed: rotation)
        #expect(distance(choice.map(others).values, expected.values) < 1e-5)
        // Queries of the other direction.
        let back = try VectorMapChoice(from: new, to: old, for: .queries(searching: others), seed: 1)
        #expect(back.chosen.agreement == 1)
        #expect(distance(back.map(expected).values, others.values) < 1e-5)
    }

    /// A linear map that is no rotation is found by ridge regression and not by Procrustes.
    @Test func theFormIsChosenOnHeldOutPairs() throws {
        let old = Self.unit(400, 16, seed: 4)
        var stretch = Self.normal(12, 16, seed: 5)
        for index in stretch.values.indices { stretch.values[index] *= index % 3 == 0 ? 4 : 0.3 }
        let new = Matrix.multiply(old, transposed: stretch).normalizedRows().matrix
        let choice = try VectorMapChoice(from: old, to: new, for: .documents, seed: 2)
        #expect(choice.chosen.form != .procrustes && choice.chosen.agreement > 0.8)
        // The map is the chosen form, fitted to all pairs.
        #expect(try VectorMapChoice.map(choice.chosen, from: old, to: new, seed: 2) == choice.map)
        // Equal seeds give equal maps.
        #expect(try VectorMapChoice(from: old, to: new, for: .documents, seed: 2).map == choice.map)
    }

    /// Between spaces that have nothing in common no map keeps more than chance does: 10 of 79.
    @Test func noiseHasNoMap() throws {
        let choice = try VectorMapChoice(
            from: Self.unit(400, 16, seed: 6), to: Self.unit(400, 16, seed: 7), for: .documents, seed: 3)
        #expect(choice.chosen.agreement < 0.25)
    }

    /// The fewest pairs still tell a map from none: the ten best of 19 others agree by half without any.
    @Test func theFewestPairsTellMapsApart() throws {
        let (x, y) = (Self.unit(100, 16, seed: 8), Self.unit(100, 16, seed: 9))
        #expect(try VectorMapChoice(from: x, to: y, for: .documents, seed: 3).chosen.agreement < 0.8)
        #expect(try VectorMapChoice(from: x, to: x, for: .documents, seed: 3).chosen.agreement == 1)
    }

    @Test func twoLayersLearnWhatALinearMapCannot() {
        let old = Self.unit(600, 8, seed: 8)
        // Negative components are shortened.
        let bent = old.values.map { $0 + 0.8 * abs($0) }
        let new = Matrix(rows: 600, columns: 8, values: bent).normalizedRows().matrix
        let ridge = VectorMap.ridge(VectorMap.Moments(from: old, to: new), strength: 0.001)
        var epochs: [Int] = []
        let trained = VectorMap.twoLayer(after: ridge, from: old, to: new, hidden: 32, epochs: 40, seed: 1) {
            epochs.append($0)
            #expect($1.form == .twoLayer)
            return true
        }
        func cosine(_ map: VectorMap) -> Float {
            zip(map(old).values, new.values).reduce(0) { $0 + $1.0 * $1.1 } / 600
        }
        #expect(epochs == Array(1...40))
        #expect(cosine(trained) > cosine(ridge) + 0.02, "\(cosine(trained)) \(cosine(ridge))")
    }

    @Test func aChoiceCanBeCancelled() {
        #expect(throws: CancellationError.self) {
            try VectorMapChoice(
                from: Self.unit(120, 8, seed: 1), to: Self.unit(120, 8, seed: 2), for: .documents, seed: 1,
                isCancelled: { true })
        }
    }
}
