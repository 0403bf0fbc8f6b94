import CPostgreSQL
import Foundation

/// The statements of an open connection. Used by one thread.
///
/// `what` names a statement in an error: "the vectors".
public final class PostgreSQLSession {
    private let connection: OpaquePointer

    /// Seconds that a host may take to answer.
    private static let timeLimit = 15

    /// Connects.
    /// - Throws: ``PostgreSQLError/missingLibrary(reason:)``, ``PostgreSQLError/unreachable(reason:isPassing:)``.
    init(_ address: PostgreSQLAddress) throws(PostgreSQLError) {
        var text = [CChar](repeating: 0, count: 512)
        guard mafin_pq_load(&text, Int32(text.count)) == 0 else {
            let reason = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw .missingLibrary(reason: reason)
        }
        guard let connection = mafin_pq_connectdb(address.connection(waiting: Self.timeLimit)) else {
            throw .unreachable(reason: "no memory for a connection", isPassing: false)
        }
        guard mafin_pq_status(connection) == MAFIN_PG_CONNECTION_OK else {
            let reason = Self.line(mafin_pq_errorMessage(connection))
            mafin_pq_finish(connection)
            // A server that starts or is out of connections says so, and it passes. A refused login stays refused. The library gives no SQLSTATE
            // here, so the words decide.
            let lasts = ["authentication failed", "does not exist", "no password supplied", "invalid"]
            throw .unreachable(reason: reason, isPassing: !lasts.contains { reason.contains($0) })
        }
        self.connection = connection
    }

    deinit { mafin_pq_finish(connection) }

    /// Whether the connection can be used.
    var isOpen: Bool { mafin_pq_status(connection) == MAFIN_PG_CONNECTION_OK }

    /// Runs statements as one transaction.
    public func transaction<Result>(_ body: (PostgreSQLSession) throws -> Result) throws -> Result {
        try execute("BEGIN", what: "a transaction")
        do {
            let result = try body(self)
            try execute("COMMIT", what: "the end of a transaction")
            return result
        } catch {
            // If this fails too, the connection is gone, and the transaction with it.
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Runs one statement with parameters `$1`, `$2`, …
    /// - Throws: ``PostgreSQLError/refused(what:state:reason:)``, ``PostgreSQLError/lost(what:reason:)``.
    public func execute(
        _ statement: String, _ values: [String?] = [], what: String = "a statement"
    ) throws(PostgreSQLError) {
        mafin_pq_clear(try result(of: statement, values, isBinary: false, what))
    }

    /// Runs one statement and returns its rows as texts.
    /// - Throws: as ``execute(_:_:what:)``.
    public func texts(
        _ statement: String, _ values: [String?] = [], what: String = "a statement"
    ) throws(PostgreSQLError) -> [[String?]] {
        let result = try result(of: statement, values, isBinary: false, what)
        defer { mafin_pq_clear(result) }
        let columns = mafin_pq_nfields(result)
        return (0..<mafin_pq_ntuples(result)).map { row in
            (0..<columns).map { column in
                mafin_pq_getisnull(result, row, column) == 1
                    ? nil : String(cString: mafin_pq_getvalue(result, row, column))
            }
        }
    }

    /// Runs one statement and returns its rows in binary form.
    /// - Throws: as ``execute(_:_:what:)``.
    public func query(
        _ statement: String, _ values: [String?] = [], what: String = "a statement"
    ) throws(PostgreSQLError) -> PostgreSQLRows {
        PostgreSQLRows(try result(of: statement, values, isBinary: true, what))
    }

    /// Runs one statement and calls `body` with each row as it comes, in binary form.
    /// - Throws: as ``execute(_:_:what:)``, or what `body` throws.
    public func forEachRow(_ statement: String, what: String, _ body: (PostgreSQLRows) throws -> Void) throws {
        guard mafin_pq_sendQuery(connection, statement, 1) == 1, mafin_pq_setSingleRowMode(connection) == 1 else {
            throw failure(what)
        }
        var fault: (any Error)?
        // Every result must be taken, also after an error.
        while let result = mafin_pq_getResult(connection) {
            let row = PostgreSQLRows(result)
            guard fault == nil else { continue }
            do {
                try require(result, [MAFIN_PG_TUPLES_OK, MAFIN_PG_SINGLE_TUPLE], what)
                if row.count > 0 { try body(row) }
            } catch { fault = error }
        }
        if let fault { throw fault }
    }

    /// Sends rows to a `COPY … FROM STDIN`.
    /// - Throws: as ``execute(_:_:what:)``.
    public func copy(_ statement: String, _ bytes: [UInt8], what: String) throws(PostgreSQLError) {
        let begun = mafin_pq_exec(connection, statement)
        defer { mafin_pq_clear(begun) }
        try require(begun, [MAFIN_PG_COPY_IN], what)
        let wasSent = bytes.withUnsafeBytes { all in
            stride(from: 0, to: all.count, by: 1 << 20).allSatisfy { start in
                let piece = UnsafeRawBufferPointer(rebasing: all[start..<min(start + (1 << 20), all.count)])
                return mafin_pq_putCopyData(
                    connection, piece.assumingMemoryBound(to: CChar.self).baseAddress, Int32(piece.count)) == 1
            }
        }
        guard wasSent, mafin_pq_putCopyEnd(connection, nil) == 1 else { throw failure(what) }
        var fault: PostgreSQLError?
        while let result = mafin_pq_getResult(connection) {
            do { try require(result, [MAFIN_PG_COMMAND_OK], what) } catch { fault = fault ?? error }
            mafin_pq_clear(result)
        }
        if let fault { throw fault }
    }

    // MARK: Results

    /// The result of one statement, which the caller clears. PostgreSQL's extended protocol takes no second statement after a semicolon.
    private func result(
        of statement: String, _ values: [String?], isBinary: Bool, _ what: String
    ) throws(PostgreSQLError) -> OpaquePointer {
        // A C string ends at a NUL: the server would get the beginning.
        guard !values.contains(where: { $0?.utf8.contains(0) == true }), !statement.utf8.contains(0) else {
            throw .refused(what: what, state: "", reason: "PostgreSQL has no texts with a NUL")
        }
        let copies = values.map { $0.flatMap { strdup($0) } }
        defer { for copy in copies { free(copy) } }
        let pointers = copies.map { UnsafePointer($0) }
        let result = mafin_pq_execParams(connection, statement, Int32(values.count), pointers, isBinary ? 1 : 0)
        guard let result else { throw failure(what) }
        do { try require(result, [MAFIN_PG_COMMAND_OK, MAFIN_PG_TUPLES_OK], what) } catch {
            mafin_pq_clear(result)
            throw error
        }
        return result
    }

    private func require(_ result: OpaquePointer?, _ good: [Int32], _ what: String) throws(PostgreSQLError) {
        guard let result else { throw failure(what) }
        guard !good.contains(mafin_pq_resultStatus(result)) else { return }
        let state = mafin_pq_resultErrorState(result).map { String(cString: $0) } ?? ""
        throw failure(what, state: state, Self.line(mafin_pq_resultErrorMessage(result)))
    }

    private func failure(_ what: String) -> PostgreSQLError {
        failure(what, state: "", Self.line(mafin_pq_errorMessage(connection)))
    }

    private func failure(_ what: String, state: String, _ reason: String) -> PostgreSQLError {
        isOpen ? .refused(what: what, state: state, reason: reason) : .lost(what: what, reason: reason)
    }

    private static func line(_ text: UnsafePointer<CChar>?) -> String {
        let lines = text.map { String(cString: $0) }?.split(whereSeparator: \.isNewline) ?? []
        guard !lines.isEmpty else { return "no reason given" }
        return lines.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }
}
