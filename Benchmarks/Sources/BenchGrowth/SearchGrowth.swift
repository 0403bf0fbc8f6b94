import BenchSupport
import Foundation
import MafinNumerics
import MafinRetrieval

/// Milliseconds of an exact search for the top 100 among a number of vectors of 384 elements.
struct SearchGrowth {
    let rounds: Int

    func chart(largest: Int) throws -> GrowthChart {
        let columns = 384
        var random = RandomGenerator(seed: 1)
        let queries = Matrix(
            rows: 100, columns: columns, values: (0..<100 * columns).map { _ in random.uniform() - 0.5 }
        ).normalizedRows().matrix
        var lines: [GrowthChart.Line] = []
        for element in VectorRows.Element.allCases {
            for batch in [1, 100] {
                let kind = element == .float16 ? "float16" : "float32"
                lines.append(GrowthChart.Line(label: "\(kind), \(batch == 1 ? "one query" : "of 100")", points: []))
            }
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "bench-growth-\(UUID().uuidString).npy")
        defer { try? FileManager.default.removeItem(at: file) }
        for count in [10_000, 30_000, 100_000, 300_000, 1_000_000] where count <= largest {
            var line = 0
            for element in VectorRows.Element.allCases {
                try write(count: count, columns: columns, as: element, to: file)
                let index = VectorIndex(try VectorRows(contentsOf: file))
                for batch in [1, 100] {
                    let asked = queries.selecting(rows: 0..<batch)
                    _ = try index.search(queries: asked, count: 100)
                    var best = Double.infinity
                    for _ in 0..<rounds {
                        OtherLoad.waitForQuiet()
                        let lap = try Lap { _ = try index.search(queries: asked, count: 100) }
                        best = min(best, 1000 * lap.wall / Double(batch))
                    }
                    lines[line].points.append([Double(count), (best * 1000).rounded() / 1000])
                    line += 1
                }
            }
        }
        return GrowthChart(
            title: "Exact search against the number of vectors", x: "vectors of 384 elements",
            y: "milliseconds a query", lines: lines)
    }

    /// Random rows of length 1, some thousands at a time.
    private func write(count: Int, columns: Int, as element: VectorRows.Element, to file: URL) throws {
        var random = RandomGenerator(seed: UInt64(count))
        let type: NumPyFile.ElementType = element == .float16 ? .float16 : .float32
        let writer = try NumPyFile.PendingRows(to: file, columns: columns, as: type)
        for start in stride(from: 0, to: count, by: 10_000) {
            let rows = min(10_000, count - start)
            let values = (0..<rows * columns).map { _ in random.uniform() - 0.5 }
            try writer.append(Matrix(rows: rows, columns: columns, values: values).normalizedRows().matrix)
        }
        try writer.commit()
    }
}
