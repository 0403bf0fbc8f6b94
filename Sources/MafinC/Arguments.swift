import CMafin
import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline

// How what a caller passed becomes values of Swift. Everything is checked here, because a wrong length would be read or written past
// its end, and a precondition that fails would end the caller's process.

/// `a * b` elements of `size` bytes.
/// - Throws: ``ArgumentFault`` if no memory could hold as many.
func product(_ a: UInt64, _ b: UInt64, size: Int = MemoryLayout<Float>.stride, _ what: String) throws -> Int {
    let (count, overflows) = a.multipliedReportingOverflow(by: b)
    guard !overflows, count <= UInt64(Int.max / size) else {
        throw ArgumentFault("\(what): \(a) × \(b) elements are more than memory can hold")
    }
    return Int(count)
}

/// A string that ends with a zero byte.
func string(_ pointer: UnsafePointer<CChar>?, _ name: String) throws -> String {
    guard let pointer else { throw ArgumentFault("\(name) is NULL") }
    guard let text = String(validatingCString: pointer) else { throw ArgumentFault("\(name) is no UTF-8") }
    return text
}

/// A list of texts.
func texts(_ pointer: UnsafePointer<mafin_texts>?, _ name: String) throws -> [String] {
    guard let list = pointer?.pointee else { throw ArgumentFault("\(name) is NULL") }
    guard list.count < UInt64(Int.max / MemoryLayout<UInt64>.stride), list.byte_count <= UInt64(Int.max) else {
        throw ArgumentFault("\(name): \(list.count) texts of \(list.byte_count) bytes are more than memory can hold")
    }
    guard list.count > 0 else { return [] }
    guard let offsets = list.offsets else { throw ArgumentFault("\(name): offsets is NULL") }
    guard list.utf8 != nil || list.byte_count == 0 else { throw ArgumentFault("\(name): utf8 is NULL") }
    let bytes = UnsafeRawBufferPointer(start: list.utf8, count: Int(list.byte_count))
    var texts: [String] = []
    // Not more than the bytes could be, so that a wrong count does not ask for all memory.
    texts.reserveCapacity(min(Int(list.count), 1 << 20))
    for number in 0..<Int(list.count) {
        let (start, end) = (offsets[number], offsets[number + 1])
        guard start <= end, end <= list.byte_count else {
            throw ArgumentFault(
                "\(name): expected ascending offsets up to \(list.byte_count), found \(start) and \(end) at text \(number)"
            )
        }
        guard let text = String(validating: bytes[Int(start)..<Int(end)], as: UTF8.self) else {
            throw ArgumentFault("\(name): text \(number) is no UTF-8")
        }
        texts.append(text)
    }
    return texts
}

/// Vectors; `nil` if none are given.
/// - Parameters:
///   - count: the number of texts that they are of.
///   - columns: the dimension that they should have; 0 if there is none to compare with.
func vectors(
    _ pointer: UnsafePointer<mafin_vectors>?, count: Int, columns: Int, _ name: String
) throws -> Matrix? {
    guard let given = pointer?.pointee else { return nil }
    guard given.rows == UInt64(count) else { throw ArgumentFault("\(name): \(given.rows) rows for \(count) texts") }
    guard columns == 0 || given.columns == UInt64(columns) else {
        throw ArgumentFault("\(name): expected vectors of \(columns) numbers, found \(given.columns)")
    }
    let elements = try product(given.rows, given.columns, name)
    guard elements > 0 else { return Matrix(rows: count, columns: columns, values: []) }
    guard let values = given.values else { throw ArgumentFault("\(name): values is NULL") }
    return Matrix(
        rows: count, columns: Int(given.columns),
        values: Array(UnsafeBufferPointer(start: values, count: elements)))
}

func role(_ role: mafin_role) throws -> TextRole {
    switch Int(role) {
    case Int(MAFIN_QUERY): .query
    case Int(MAFIN_DOCUMENT): .document
    default: throw ArgumentFault("expected MAFIN_QUERY or MAFIN_DOCUMENT as role, found \(role)")
    }
}

/// Room for a result.
func output<Element>(
    _ pointer: UnsafeMutablePointer<Element>?, _ needed: Int, capacity: UInt64? = nil, _ name: String
) throws -> UnsafeMutableBufferPointer<Element> {
    if let capacity, capacity < UInt64(needed) {
        throw ArgumentFault(
            "\(name) has room for \(capacity) elements, \(needed) are needed", status: Int(MAFIN_BUFFER_TOO_SMALL))
    }
    guard needed > 0 else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    guard let pointer else { throw ArgumentFault("\(name) is NULL") }
    return UnsafeMutableBufferPointer(start: pointer, count: needed)
}

/// How a call is made.
struct CallOptions {
    private var given = mafin_options()

    /// - Parameter allowed: the flags that the function knows.
    init(_ pointer: UnsafePointer<mafin_options>?, allowed: Int) throws {
        guard let pointer else { return }
        given = try read(pointer, sizedBy: \.struct_size, "options")
        guard given.flags & ~UInt64(allowed) == 0 else {
            throw ArgumentFault("options: the flags \(given.flags & ~UInt64(allowed)) have no meaning here")
        }
    }

    func has(_ flag: Int) -> Bool { given.flags & UInt64(flag) != 0 }

    /// How the black box's vectors of queries are had.
    func asking() throws -> SharedModel.Asking {
        switch (has(Int(MAFIN_OFFLINE)), has(Int(MAFIN_WITHOUT_BLACK_BOX))) {
        case (true, true): throw ArgumentFault("options: MAFIN_OFFLINE and MAFIN_WITHOUT_BLACK_BOX exclude each other")
        case (true, false): .standIn
        case (false, true): .without
        case (false, false): .given
        }
    }

    func prefix() throws -> String? { try given.prefix.map { try string($0, "options: prefix") } }

    /// - Parameter count: the number of sources.
    func weights(_ count: Int) -> [Float]? {
        given.weights.map { Array(UnsafeBufferPointer(start: $0, count: count)) }
    }

    /// What tells the caller how many of `total` texts are done.
    func done(of total: Int) -> (Int) throws -> Void {
        guard let progress = given.progress else { return { _ in } }
        let context = given.context
        return { if progress(context, UInt64($0), UInt64(total)) != 0 { throw CancellationError() } }
    }
}

/// A struct that begins with its size. Fields that an older caller does not have are 0.
func read<Struct>(
    _ pointer: UnsafePointer<Struct>, sizedBy size: KeyPath<Struct, UInt64>, _ name: String
) throws -> Struct {
    // The size alone is certainly there.
    let given = UnsafeRawPointer(pointer).load(as: UInt64.self)
    let (own, least) = (MemoryLayout<Struct>.size, MemoryLayout<UInt64>.size)
    // A size that ends inside a field would give half of a pointer.
    guard given >= UInt64(least), given <= UInt64(max(own, 4096)), given % UInt64(least) == 0 else {
        throw ArgumentFault("\(name): struct_size is \(given), expected \(own)")
    }
    return try withUnsafeTemporaryAllocation(
        byteCount: own, alignment: MemoryLayout<Struct>.alignment
    ) { room in
        room.initializeMemory(as: UInt8.self, repeating: 0)
        room.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(own, Int(given))))
        // What a newer caller knows and this library does not must not be asked for.
        let beyond = UnsafeRawBufferPointer(start: pointer, count: Int(given)).dropFirst(own)
        guard beyond.allSatisfy({ $0 == 0 }) else {
            throw ArgumentFault("\(name) has fields that this library does not know; it is \(LibraryVersion.current)")
        }
        return room.load(as: Struct.self)
    }
}
