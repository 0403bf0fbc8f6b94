import ArgumentParser
import BenchSupport
import Foundation
import MafinNumerics
import MafinRetrieval

/// Speed of exact search over a mapped `.npy` file, and for comparison the speed of matrix products and of memory in
/// the same process. Prints one JSON line. Run by Tools/bench-search.py.
@main
struct BenchSearch: ParsableCommand {
    @Argument(help: "Rows: a .npy file of float32 or float16.") var rows: String
    @Argument(help: "Queries: a .npy file.") var queries: String
    @Option(help: "Results of a query.") var top = 100
    @Option(help: "Batch sizes.") var batches: [Int] = [1, 100]
    @Option(help: "Threads; 0: one a core.") var threads = 0
    @Option(help: "Rounds of each batch; no more are begun after 15 s.") var rounds = 15
    @Option(help: "Writes the rows as float16 here first, and searches those.") var float16: String?
    @Flag(help: "Holds a byte of every element beside the rows.") var approximated = false
    @Option(help: "Receives the indices that the last batch found, as a .npy file of float32.") var output: String?

    /// Work per elapsed second and per second of processor time. The latter is more reliable if other programs use the
    /// machine.
    private struct Speed: Encodable {
        var gigaPerSecond = 0.0
        var gigaPerCPUSecond = 0.0

        mutating func note(_ work: Double, _ lap: Lap) {
            gigaPerSecond = max(gigaPerSecond, work / lap.wall / 1e9)
            gigaPerCPUSecond = max(gigaPerCPUSecond, work / lap.processor / 1e9)
        }
    }

    private struct Batch: Encodable {
        var size: Int
        var bestMilliseconds: Double
        var medianMilliseconds: Double
        var bestCPUMilliseconds: Double
        /// Number of additions and multiplications, and of bytes of the rows.
        var operations = Speed()
        var bytes = Speed()
    }

    private struct Row: Encodable {
        var threads: Int
        var element: String
        var rows: Int
        var columns: Int
        var indexMegabytes: Double
        var peakMegabytes: Double
        var conversionSeconds: Double?
        var openSeconds: Double
        var approximationSeconds: Double
        var approximationMegabytes: Double
        /// Rates of matrix products of 1,536 × 1,536 × 1,536 and of reading the file's bytes. Each is the better of two
        /// measurements, before and after.
        var product: Speed
        var read: Speed
        var batches: [Batch]
    }

    func run() throws {
        if threads > 0 { Parallelism.threads = threads }
        var file = URL(fileURLWithPath: rows)
        var conversion: Double?
        if let float16 {
            let halves = URL(fileURLWithPath: float16)
            conversion = try seconds { try VectorRows(contentsOf: file).write(to: halves, as: .float16) }
            file = halves
        }
        var product = Speed()
        var read = Speed()
        measureProducts(&product)
        try measureReading(file, &read)
        var opened: VectorRows?
        let opening = try seconds { opened = try VectorRows(contentsOf: file) }
        guard let opened else { return }
        var built: VectorIndex?
        let approximation = seconds { built = VectorIndex(opened, isApproximated: approximated) }
        guard let index = built else { return }
        let asked = try NumPyFile.read(URL(fileURLWithPath: queries))
        var found = Rankings()
        var measured: [Batch] = []
        for size in batches {
            let batch = asked.selecting(rows: 0..<size)
            found = try index.search(queries: batch, count: top)
            var laps: [Lap] = []
            let start = ContinuousClock.now
            while laps.count < rounds, ContinuousClock.now - start < .seconds(15) {
                OtherLoad.waitForQuiet()
                laps.append(try Lap { found = try index.search(queries: batch, count: top) })
            }
            let walls = laps.map(\.wall).sorted()
            var row = Batch(
                size: size, bestMilliseconds: 1e3 * walls[0], medianMilliseconds: 1e3 * walls[walls.count / 2],
                bestCPUMilliseconds: 1e3 * (laps.map(\.processor).min() ?? 0))
            for lap in laps {
                row.operations.note(2 * Double(index.count) * Double(index.columns) * Double(size), lap)
                row.bytes.note(Double(index.byteCount), lap)
            }
            measured.append(row)
        }
        // Measured before the file is mapped a second time, because it would count twice.
        let peak = peakMegabytes()
        measureProducts(&product)
        try measureReading(file, &read)
        if let output {
            let indices = found.entries.map { Float($0.index) }
            try NumPyFile.write(
                Matrix(rows: found.count, columns: indices.count / max(1, found.count), values: indices),
                to: URL(fileURLWithPath: output))
        }
        let row = Row(
            threads: Parallelism.threads, element: opened.element.rawValue, rows: index.count, columns: index.columns,
            indexMegabytes: Double(index.byteCount) / 1_048_576, peakMegabytes: peak,
            conversionSeconds: conversion, openSeconds: opening,
            approximationSeconds: approximation,
            approximationMegabytes: Double(index.approximationByteCount) / 1_048_576, product: product, read: read,
            batches: measured)
        print(String(decoding: try JSONEncoder().encode(row), as: UTF8.self))
    }

    /// The rate of packed products on all threads without other work.
    private func measureProducts(_ speed: inout Speed) {
        let size = 1_536
        let a = Matrix(rows: size, columns: size, repeating: 0.5)
        for _ in 0..<6 {
            OtherLoad.waitForQuiet()
            let lap = Lap { precondition(Matrix.multiply(a, transposed: a)[0, 0] > 0) }
            speed.note(2 * Double(size * size * size), lap)
        }
    }

    /// The rate of reading the file's bytes, which are in memory, on all threads.
    private func measureReading(_ file: URL, _ speed: inout Speed) throws {
        try NumPyFile.map(file).withUnsafeBytes { bytes in
            // Threads only read it.
            nonisolated(unsafe) let vectors = bytes.bindMemory(to: SIMD16<UInt32>.self)
            for _ in 0..<6 {
                OtherLoad.waitForQuiet()
                let lap = Lap {
                    parallelRanges(vectors.count, grain: 1 << 14) { range in
                        var one = SIMD16<UInt32>()
                        var other = SIMD16<UInt32>()
                        for place in stride(from: range.lowerBound, to: range.upperBound - 1, by: 2) {
                            one ^= vectors[place]
                            other ^= vectors[place + 1]
                        }
                        // No sum has all bits set, but the compiler does not know that.
                        precondition((one ^ other) != SIMD16(repeating: .max))
                    }
                }
                speed.note(Double(bytes.count), lap)
            }
        }
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        try ContinuousClock().measure(body) / .seconds(1)
    }
}
