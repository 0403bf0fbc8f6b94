import CPostgreSQL
import Foundation

/// The rows of a result, in binary form.
public final class PostgreSQLRows {
    private let result: OpaquePointer

    init(_ result: OpaquePointer) { self.result = result }

    deinit { mafin_pq_clear(result) }

    /// Number of rows.
    public var count: Int { Int(mafin_pq_ntuples(result)) }

    /// Calls `body` with the bytes of a value, nil for NULL. They must not be used after it returns.
    public func withBytes<Value>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer?) throws -> Value
    ) rethrows -> Value {
        try withExtendedLifetime(self) {
            let (row, column) = (Int32(row), Int32(column))
            guard mafin_pq_getisnull(result, row, column) == 0 else { return try body(nil) }
            return try body(
                UnsafeRawBufferPointer(
                    start: mafin_pq_getvalue(result, row, column), count: Int(mafin_pq_getlength(result, row, column))))
        }
    }

    /// A value of type bytea; nil for NULL.
    /// - Throws: ``PostgreSQLError/otherType(column:expected:found:)``.
    public func data(_ row: Int, _ column: Int) throws(PostgreSQLError) -> Data? {
        try require(.bytes, column)
        return withBytes(row, column) { $0.map { Data($0) } }
    }

    /// A value of type text; nil for NULL.
    /// - Throws: ``PostgreSQLError/otherType(column:expected:found:)``.
    public func text(_ row: Int, _ column: Int) throws(PostgreSQLError) -> String? {
        try require(.text, column)
        return withBytes(row, column) { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    /// A value of type bigint; nil for NULL.
    /// - Throws: ``PostgreSQLError/otherType(column:expected:found:)``.
    public func integer(_ row: Int, _ column: Int) throws(PostgreSQLError) -> Int64? {
        try require(.bigint, column)
        return withBytes(row, column) { $0.map { Int64(bigEndian: $0.loadUnaligned(as: Int64.self)) } }
    }

    /// A value of type double precision; nil for NULL.
    /// - Throws: ``PostgreSQLError/otherType(column:expected:found:)``.
    public func double(_ row: Int, _ column: Int) throws(PostgreSQLError) -> Double? {
        try require(.double, column)
        return withBytes(row, column) {
            $0.map { Double(bitPattern: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))) }
        }
    }

    /// Types by their OIDs, which are the same on every server.
    private enum ValueType: UInt32 {
        case boolean = 16
        case bytes = 17
        case bigint = 20
        case smallint = 21
        case integer = 23
        case text = 25
        case real = 700
        case double = 701
        case characters = 1043
        case date = 1082
        case timestamp = 1114
        case zonedTimestamp = 1184
        case numeric = 1700

        /// As SQL calls it.
        var name: String {
            switch self {
            case .bytes: "bytea"
            case .double: "double precision"
            case .characters: "character varying"
            case .zonedTimestamp: "timestamp with time zone"
            default: "\(self)"
            }
        }
    }

    /// The length of a value does not tell its type: a time has eight bytes too.
    private func require(_ expected: ValueType, _ column: Int) throws(PostgreSQLError) {
        let found = mafin_pq_ftype(result, Int32(column))
        guard found != expected.rawValue else { return }
        let name = mafin_pq_fname(result, Int32(column)).map { String(cString: $0) }
        throw .otherType(
            column: name ?? "\(column + 1)", expected: expected.name,
            found: ValueType(rawValue: found)?.name ?? "the type with the OID \(found)")
    }
}
