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

    /// A value of type bytea.
    public func data(_ row: Int, _ column: Int) -> Data? { withBytes(row, column) { $0.map { Data($0) } } }

    /// A value of a type of texts.
    public func text(_ row: Int, _ column: Int) -> String? {
        withBytes(row, column) { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    /// A value of type bigint.
    public func integer(_ row: Int, _ column: Int) -> Int64? {
        withBytes(row, column) { bytes in
            bytes.map {
                precondition($0.count == 8, "a statement must give bigint")
                return Int64(bigEndian: $0.loadUnaligned(as: Int64.self))
            }
        }
    }

    /// A value of type double precision.
    public func double(_ row: Int, _ column: Int) -> Double? {
        withBytes(row, column) { bytes in
            bytes.map {
                precondition($0.count == 8, "a statement must give double precision")
                return Double(bitPattern: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)))
            }
        }
    }
}
