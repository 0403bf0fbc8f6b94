import CMafin
import Foundation
import MafinC
import Testing

// Calls through the header, as a program in C makes them. `MafinC` is imported so that its functions are linked.

/// What a failed call says.
struct Refusal: Error, Equatable {
    var status: Int
    var message: String
}

/// Calls a function that fills an error.
func calling(_ body: (UnsafeMutablePointer<mafin_error>) -> mafin_status) throws {
    var error = mafin_error()
    let status = body(&error)
    guard status != 0 else { return }
    #expect(error.status == status)
    let message = withUnsafeBytes(of: &error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    throw Refusal(status: Int(status), message: message)
}

/// Texts as the interface takes them.
final class PackedTexts {
    private var bytes: [CChar] = []
    private var offsets: [UInt64] = [0]

    init(_ texts: [String]) {
        for text in texts {
            bytes += text.utf8.map { CChar(bitPattern: $0) }
            offsets.append(UInt64(bytes.count))
        }
    }

    func with<Result>(_ body: (UnsafePointer<mafin_texts>) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBufferPointer { bytes in
            try offsets.withUnsafeBufferPointer { offsets in
                var texts = mafin_texts(
                    utf8: bytes.baseAddress, byte_count: UInt64(bytes.count), offsets: offsets.baseAddress,
                    count: UInt64(offsets.count - 1))
                return try body(&texts)
            }
        }
    }
}

/// Calls `body` with vectors as the interface takes them; NULL for `nil`.
func withVectors<Result>(
    _ rows: [[Float]]?, _ body: (UnsafePointer<mafin_vectors>?) throws -> Result
) rethrows -> Result {
    guard let rows else { return try body(nil) }
    return try rows.flatMap(\.self).withUnsafeBufferPointer { values in
        var vectors = mafin_vectors(
            values: values.baseAddress, rows: UInt64(rows.count), columns: UInt64(rows.first?.count ?? 0))
        return try body(&vectors)
    }
}

/// Options with the right size.
func options(_ change: (inout mafin_options) -> Void = { _ in }) -> mafin_options {
    var options = mafin_options()
    options.struct_size = UInt64(MemoryLayout<mafin_options>.size)
    change(&options)
    return options
}

/// A model.
final class Model: @unchecked Sendable {
    let handle: OpaquePointer

    init(_ path: String, change: (inout mafin_open_options) -> Void = { _ in }) throws {
        var options = mafin_open_options()
        options.struct_size = UInt64(MemoryLayout<mafin_open_options>.size)
        change(&options)
        var opened: OpaquePointer?
        try calling { mafin_open(path, &options, &opened, $0) }
        handle = try #require(opened)
    }

    deinit { mafin_close(handle) }

    var localDimension: Int { Int(mafin_dimension(handle, mafin_vector_kind(MAFIN_LOCAL))) }
    var joinedDimension: Int { Int(mafin_dimension(handle, mafin_vector_kind(MAFIN_JOINED))) }
    var sources: [String] {
        (0..<mafin_source_count(handle)).map { String(cString: mafin_source_name(handle, $0)) }
    }

    func encode(_ texts: [String], _ role: Int, _ given: mafin_options = options()) throws -> [[Float]] {
        var output = [Float](repeating: .nan, count: texts.count * localDimension)
        let capacity = UInt64(output.count)
        var given = given
        try PackedTexts(texts).with { list in
            try calling { mafin_encode(handle, mafin_role(role), list, &given, &output, capacity, $0) }
        }
        return rows(output, localDimension)
    }

    func join(
        _ texts: [String], _ role: Int, blackBox: [[Float]]?, ids: [String]? = nil, _ given: mafin_options = options()
    ) throws -> [[Float]] {
        var output = [Float](repeating: .nan, count: texts.count * joinedDimension)
        let capacity = UInt64(output.count)
        var given = given
        func call(_ ids: UnsafePointer<mafin_texts>?) throws {
            try PackedTexts(texts).with { list in
                try withVectors(blackBox) { vectors in
                    try calling {
                        mafin_encode_joined(
                            handle, mafin_role(role), list, ids, vectors, &given, &output, capacity, $0)
                    }
                }
            }
        }
        if let ids { try PackedTexts(ids).with { try call($0) } } else { try call(nil) }
        return rows(output, joinedDimension)
    }

    func counters() throws -> mafin_counters {
        var counters = mafin_counters()
        counters.struct_size = UInt64(MemoryLayout<mafin_counters>.size)
        try calling { mafin_read_counters(handle, &counters, $0) }
        return counters
    }
}

/// An index.
final class Index: @unchecked Sendable {
    let handle: OpaquePointer
    private let model: Model

    init(_ model: Model, path: String) throws {
        var opened: OpaquePointer?
        try calling { mafin_index_open(model.handle, path, &opened, $0) }
        (handle, self.model) = (try #require(opened), model)
    }

    init(_ model: Model, _ texts: [String], ids: [String], blackBox: [[Float]]?, flags: Int = 0) throws {
        var made: OpaquePointer?
        var given = options { $0.flags = UInt64(flags) }
        try PackedTexts(texts).with { list in
            try PackedTexts(ids).with { names in
                try withVectors(blackBox) { vectors in
                    try calling { mafin_index_make(model.handle, list, names, vectors, &given, &made, $0) }
                }
            }
        }
        (handle, self.model) = (try #require(made), model)
    }

    deinit { mafin_index_close(handle) }

    struct Hit: Equatable {
        var row: UInt64
        var score: Float
        var parts: [Float]
    }

    func search(
        _ queries: [String], blackBox: [[Float]]?, count: Int, flags: Int = 0, weights: [Float]? = nil
    ) throws -> [[Hit]] {
        let width = model.sources.count
        var rows = [UInt64](repeating: 0, count: queries.count * count)
        var scores = [Float](repeating: 0, count: rows.count)
        var parts = [Float](repeating: 0, count: rows.count * width)
        var found = [UInt64](repeating: 0, count: queries.count)
        let weights = weights.map { UnsafeMutableBufferPointer.allocate(copying: $0) }
        defer { weights?.deallocate() }
        var given = options {
            $0.flags = UInt64(flags)
            $0.weights = weights.flatMap { UnsafePointer($0.baseAddress) }
        }
        try PackedTexts(queries).with { list in
            try withVectors(blackBox) { vectors in
                try calling {
                    mafin_search(
                        handle, list, vectors, UInt64(count), &given, &rows, &scores, &parts, &found, $0)
                }
            }
        }
        return queries.indices.map { query in
            (0..<Int(found[query])).map { place in
                let at = query * count + place
                return Hit(row: rows[at], score: scores[at], parts: Array(parts[at * width..<(at + 1) * width]))
            }
        }
    }

    /// Scores and parts of all documents.
    func scores(_ query: String, blackBox: [[Float]]?, flags: Int = 0) throws -> (scores: [Float], parts: [[Float]]) {
        let (count, width) = (Int(mafin_index_count(handle)), model.sources.count)
        var scores = [Float](repeating: 0, count: count)
        var parts = [Float](repeating: 0, count: count * width)
        var given = options { $0.flags = UInt64(flags) }
        try PackedTexts([query]).with { list in
            try withVectors(blackBox) { vectors in
                try calling {
                    mafin_score(handle, list, vectors, nil, UInt64(count), &given, &scores, &parts, $0)
                }
            }
        }
        return (scores, MafinCTests.rows(parts, width))
    }
}

func rows(_ values: [Float], _ width: Int) -> [[Float]] {
    stride(from: 0, to: values.count, by: max(1, width)).map { Array(values[$0..<$0 + width]) }
}

extension UnsafeMutableBufferPointer<Float> {
    fileprivate static func allocate(copying values: [Float]) -> Self {
        let room = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
        _ = room.initialize(from: values)
        return room
    }
}
