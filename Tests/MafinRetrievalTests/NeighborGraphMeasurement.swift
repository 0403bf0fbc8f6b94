import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

/// Recall and time of approximate search over vectors that somebody names, for Documentation/results.md. It runs only if it is asked for:
///
///     python Tools/mixed_vectors.py --shared ../shared --rows 200000 FOLDER
///     MAFIN_GRAPH_VECTORS=FOLDER swift test -c release -Xswiftc -enable-testing --scratch-path .build-test --filter NeighborGraphMeasurement
///
/// FOLDER holds `rows.npy` and `queries.npy`, unit rows of the same dimension. The bytes of the rows and the graph are written there too.
@Suite struct NeighborGraphMeasurement {
    private static let folder = ProcessInfo.processInfo.environment["MAFIN_GRAPH_VECTORS"]

    @Test(.enabled(if: folder != nil, "set MAFIN_GRAPH_VECTORS"))
    func recallAndTime() throws {
        let folder = URL(fileURLWithPath: try #require(Self.folder))
        let rows = try VectorRows(contentsOf: folder.appendingPathComponent("rows.npy"))
        let queries = try NumPyFile.read(folder.appendingPathComponent("queries.npy"))
        let file = folder.appendingPathComponent("rows.bytes")
        try RowApproximation.write(rows, to: file)
        let bytes = try RowApproximation(contentsOf: file, of: rows)
        let index = VectorIndex(parts: [rows], approximations: [bytes])
        func query(_ row: Int) -> Matrix { queries.selecting(rows: row..<(row + 1)) }
        func seconds(_ body: () throws -> Void) rethrows -> Double { try ContinuousClock().measure(body) / .seconds(1) }
        func show(_ name: String, _ times: [Double]) {
            let sorted = times.sorted()
            print(
                "\(name): best \(milliseconds(sorted[0])), median \(milliseconds(sorted[sorted.count / 2]))")
        }
        func milliseconds(_ seconds: Double) -> String { String(format: "%.2f ms", 1e3 * seconds) }

        print("\(rows.count) × \(rows.columns), \(Parallelism.threads) threads")
        show(
            "exact, best 100",
            try (0..<min(60, queries.rows)).map { row in
                try seconds { _ = try index.search(queries: query(row), count: 100) }
            })
        let exact = try index.search(queries: queries, count: 100)
        var built: NeighborGraph?
        let building = try seconds { built = try NeighborGraph.build([bytes], weights: [1]) }
        let graph = try #require(built)
        let graphFile = folder.appendingPathComponent("graph.hnsw")
        try graph.write(to: graphFile, binding: [UInt8](repeating: 0, count: NeighborGraph.bindingSize))
        let size = try #require(
            try FileManager.default.attributesOfItem(atPath: graphFile.path)[.size] as? Int)
        print(
            "graph: \(Int(building)) s, \(size / rows.count) bytes a row in the file, \(graph.byteCount / rows.count) in memory"
        )
        for breadth in [128, 256, 512, 1_024] {
            var times: [Double] = []
            var (ten, hundred) = (0, 0)
            for row in 0..<queries.rows {
                let one = query(row)
                var best: [ScoredIndex] = []
                times.append(
                    try seconds {
                        let near = try #require(try graph.candidates(of: one.values, breadth: breadth))
                        best = try index.search(query: one, among: near, count: 100)
                    })
                let all = Array(exact[row])
                ten += best.prefix(10).count { $0.score >= all[9].score }
                hundred += best.count { $0.score >= all[99].score }
            }
            show(
                "\(breadth) candidates, recall@10 \(Double(ten) / Double(10 * queries.rows)), @100 \(Double(hundred) / Double(100 * queries.rows))",
                times)
        }
    }
}
