import CHNSW
import CMafinKernels
import Foundation
import MafinNumerics
import Synchronization

/// A graph of near rows. It names candidates for the best rows of a query after looking at a few thousand rows instead of all.
///
/// The graph is that of Malkov and Yashunin (2018, "HNSW"), as the library hnswlib builds and searches it. It holds no vectors: distances are
/// those of the rows' bytes (``RowApproximation``). Candidates have no scores; ``VectorIndex/search(query:among:adding:count:)`` scores
/// them exactly.
package final class NeighborGraph: @unchecked Sendable {
    /// How a graph is built.
    package struct Settings: Sendable {
        /// Links of a row on the upper levels; there are twice as many on the lowest, which holds all rows. 2 to 128.
        package var links = 16
        /// Rows that are looked at before a row is linked.
        package var breadth = 200

        package init() {}
    }

    /// What a file is bound to, such as a hash of the vectors and weights: ``bindingSize`` bytes.
    package static let bindingSize = Int(MAFIN_GRAPH_BINDING)

    // hnswlib's searches may run at a time; nothing is added after `init`.
    private let graph: OpaquePointer
    /// The rows' bytes, which the graph reads.
    private let parts: [RowApproximation]
    /// Number of rows.
    package let rows: Int

    private init(_ graph: OpaquePointer, _ parts: [RowApproximation]) {
        (self.graph, self.parts, rows) = (graph, parts, parts[0].rows)
    }

    deinit { mafin_graph_free(graph) }

    /// Bytes of memory that the graph takes, without the rows' bytes.
    package var byteCount: Int { mafin_graph_memory(graph) }

    // MARK: Building

    /// Builds a graph.
    ///
    /// With one thread the result depends on nothing but the arguments. With more, rows are linked in an order that is not fixed, so two graphs of
    /// the same rows differ in some links.
    /// - Parameters:
    ///   - parts: the bytes of each part of the rows, at least one, all of the same number of rows.
    ///   - weights: for each part its weight in the inner product of two rows.
    ///   - isCancelled: asked again and again.
    ///   - progress: told how many rows are linked.
    /// - Throws: ``RetrievalError/graph(reason:)``; `CancellationError`.
    package static func build(
        _ parts: [RowApproximation], weights: [Float], settings: Settings = Settings(),
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> NeighborGraph {
        let made = try withParts(parts, weights) { address in
            try make { graph, reason in
                mafin_graph_new(
                    parts[0].rows, address, parts.count, settings.links, settings.breadth, graph, reason)
            }
        }
        let graph = NeighborGraph(made, parts)
        // The first row alone, because all others are linked to what is there.
        var block = 1
        var start = 0
        while start < graph.rows {
            if isCancelled() { throw CancellationError() }
            let rows = start..<min(graph.rows, start + block)
            try graph.add(rows)
            (start, block) = (rows.upperBound, 4_096)
            progress(start)
        }
        return graph
    }

    private func add(_ rows: Range<Int>) throws {
        let failure = Mutex<String?>(nil)
        let shared = UnsafeTransfer(graph)
        parallelFor(rows.count) { place in
            guard let reason = Self.reason({ mafin_graph_add(shared.value, rows.lowerBound + place, $0) }) else {
                return
            }
            failure.withLock { $0 = reason }
        }
        if let reason = failure.withLock({ $0 }) { throw RetrievalError.graph(reason: reason) }
    }

    // MARK: Files

    /// Writes the graph, whole or not at all.
    ///
    /// | bytes | hold |
    /// |---|---|
    /// | 0–7 | `MAFINGRA` |
    /// | 8–23 | the version, 1; links; breadth; levels above the lowest: 4 bytes each |
    /// | 24–39 | rows; lists of links on upper levels: 8 bytes each |
    /// | 40–47 | the row where searches begin, 4 bytes; 0 |
    /// | 48–79 | the binding |
    /// | from 96 | the level of each row, a byte each; then for each row its number of links and room for 2 · links; then the same for each of its upper levels, with room for `links`. From a multiple of 4, 4 bytes a number |
    ///
    /// Numbers are little-endian. Memory: as much as the file.
    /// - Throws: `NumericsError/file(path:reason:)`.
    package func write(to url: URL, binding: [UInt8]) throws {
        precondition(binding.count == Self.bindingSize, "a binding of \(binding.count) bytes")
        let size = mafin_graph_file_size(graph)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { memory.deallocate() }
        mafin_graph_write(graph, binding, memory.assumingMemoryBound(to: UInt8.self))
        try AtomicFile.write(to: url) { try $0.write(UnsafeRawBufferPointer(start: memory, count: size)) }
    }

    /// Reads a file of ``write(to:binding:)``. All of it is checked, and nothing of the file is used afterwards.
    /// - Parameters:
    ///   - parts: the bytes of the rows, as for ``build(_:weights:settings:isCancelled:progress:)``.
    ///   - binding: what the file must be bound to.
    /// - Throws: `NumericsError` with the file.
    package convenience init(
        contentsOf url: URL, of parts: [RowApproximation], weights: [Float], binding: [UInt8]
    ) throws {
        precondition(binding.count == Self.bindingSize, "a binding of \(binding.count) bytes")
        let file = try MappedFile(url)
        let made = try Self.withParts(parts, weights) { address in
            try file.withUnsafeBytes { bytes in
                do {
                    return try Self.make { graph, reason in
                        mafin_graph_read(
                            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, binding,
                            parts[0].rows, address, parts.count, graph, reason)
                    }
                } catch RetrievalError.graph(let reason) {
                    throw NumericsError.malformed(
                        path: url.path, expected: "a graph of these rows, version 1; 'mafin index' writes it",
                        found: reason)
                }
            }
        }
        self.init(made, parts)
    }

    // MARK: Searching

    /// Rows that are near to a query, up to `breadth`, by ascending number; `nil` if the query is too small or too large to be rounded to bytes.
    ///
    /// - Parameter query: the parts' vectors, one behind the other, each multiplied by its weight.
    /// - Complexity: O(breadth × links × columns), nearly whatever the number of rows.
    /// - Throws: ``RetrievalError/graph(reason:)`` if memory is missing.
    package func candidates(of query: [Float], breadth: Int) throws -> [Int]? {
        let columns = parts.reduce(0) { $0 + $1.columns }
        precondition(query.count == columns, "a query of \(query.count) columns, rows of \(columns)")
        precondition(breadth > 0, "a breadth of \(breadth)")
        var (codes, scales) = ([Int8](repeating: 0, count: columns), [Float](repeating: 0, count: parts.count))
        var margin: Float = 0
        var start = 0
        for (place, part) in parts.enumerated() {
            query.withUnsafeBufferPointer { query in
                codes.withUnsafeMutableBufferPointer { codes in
                    guard let from = query.baseAddress, let to = codes.baseAddress else { return }
                    mafin_approximate(
                        1, part.columns, from + start, MAFIN_FLOAT32, part.columns, to + start, &scales[place], &margin)
                }
            }
            guard margin.isFinite else { return nil }
            start += part.columns
        }
        guard scales.contains(where: { $0 > 0 }) else { return nil }
        var found = 0
        let rows = try [UInt32](unsafeUninitializedCapacity: min(breadth, rows)) { rows, initialized in
            let reason = codes.withUnsafeBufferPointer { codes in
                guard let base = codes.baseAddress else { return nil as String? }
                var addresses: [UnsafePointer<Int8>?] = []
                var start = 0
                for part in parts {
                    addresses.append(base + start)
                    start += part.columns
                }
                return Self.reason {
                    mafin_graph_search(graph, addresses, scales, rows.count, rows.baseAddress, &found, $0)
                }
            }
            if let reason { throw RetrievalError.graph(reason: reason) }
            initialized = found
        }
        return rows.map(Int.init).sorted()
    }

    // MARK: Calls

    /// Calls `body` with the parts' addresses, which are valid as long as the parts.
    private static func withParts<Result>(
        _ parts: [RowApproximation], _ weights: [Float], _ body: (UnsafePointer<mafin_graph_part>?) throws -> Result
    ) throws -> Result {
        precondition(!parts.isEmpty && parts.count == weights.count, "\(weights.count) weights of \(parts.count) parts")
        precondition(parts.allSatisfy { $0.rows == parts[0].rows }, "parts of different numbers of rows")
        let described = zip(parts, weights).map { part, weight in
            mafin_graph_part(codes: part.codes, scales: part.scales, columns: part.columns, weight: weight)
        }
        return try described.withUnsafeBufferPointer { try body($0.baseAddress) }
    }

    private static func make(
        _ call: (UnsafeMutablePointer<OpaquePointer?>, UnsafeMutablePointer<CChar>) -> Int32
    ) throws -> OpaquePointer {
        var made: OpaquePointer?
        let reason = reason { reason in withUnsafeMutablePointer(to: &made) { call($0, reason) } }
        guard let made, reason == nil else {
            throw RetrievalError.graph(reason: reason ?? "nothing was made")
        }
        return made
    }

    /// What went wrong in a call; `nil` if nothing did.
    private static func reason(_ call: (UnsafeMutablePointer<CChar>) -> Int32) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MAFIN_GRAPH_REASON)) { memory in
            guard let base = memory.baseAddress else { preconditionFailure("temporary memory has an address") }
            base.initialize(repeating: 0, count: memory.count)
            return call(base) == Int32(MAFIN_GRAPH_OK) ? nil : String(cString: base)
        }
    }
}
