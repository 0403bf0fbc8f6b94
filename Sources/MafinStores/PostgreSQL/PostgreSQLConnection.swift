import CPostgreSQL
import Foundation

/// A connection to PostgreSQL through its client library, which is loaded when the first connection is made.
///
/// The library's calls wait, so they run on a thread of their own and not on those of Swift's tasks.
final class PostgreSQLConnection: @unchecked Sendable {
    /// Only used in ``queue``.
    private let connection: OpaquePointer
    private let queue: DispatchQueue
    private let address: PostgreSQLAddress

    /// Connects.
    /// - Throws: ``StoreError``: no library, no server, no permission.
    static func open(_ address: PostgreSQLAddress) async throws -> PostgreSQLConnection {
        let queue = DispatchQueue(label: "mafin.postgresql")
        return try await onThread(of: queue) { try PostgreSQLConnection(address, queue) }
    }

    private static func onThread<Result: Sendable>(
        of queue: DispatchQueue, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    private init(_ address: PostgreSQLAddress, _ queue: DispatchQueue) throws {
        (self.address, self.queue) = (address, queue)
        var reason = [CChar](repeating: 0, count: 512)
        guard mafin_pq_load(&reason, Int32(reason.count)) == 0 else {
            throw StoreError.missingLibrary(reason: Self.text(reason))
        }
        guard let connection = mafin_pq_connectdb(address.connection) else {
            throw StoreError.unreachable(store: address.shown, reason: "no memory")
        }
        guard mafin_pq_status(connection) == MAFIN_PG_CONNECTION_OK else {
            let message = Self.oneLine(String(cString: mafin_pq_errorMessage(connection)))
            mafin_pq_finish(connection)
            throw StoreError.unreachable(store: address.shown, reason: message)
        }
        self.connection = connection
    }

    deinit { mafin_pq_finish(connection) }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }

    /// Calls `body` with the connection, on its thread.
    func run<Result: Sendable>(_ body: @escaping @Sendable (Session) throws -> Result) async throws -> Result {
        try await Self.onThread(of: queue) { [self] in try body(Session(connection: connection, address: address)) }
    }

    /// The statements of a connection.
    struct Session {
        fileprivate let connection: OpaquePointer
        fileprivate let address: PostgreSQLAddress

        /// Runs a statement and returns its rows as texts.
        /// - Parameters:
        ///   - what: names the statement in an error.
        ///   - values: of `$1`, `$2`, …
        /// - Throws: ``StoreError/refused(store:what:reason:)``.
        @discardableResult
        func rows(_ statement: String, _ values: [String] = [], what: String) throws -> [[String?]] {
            let texts = values.map { strdup($0) }
            defer { texts.forEach { free($0) } }
            let pointers = texts.map { UnsafePointer($0) }
            let result =
                values.isEmpty
                ? mafin_pq_exec(connection, statement)
                : mafin_pq_execParams(connection, statement, Int32(values.count), pointers, 0)
            defer { mafin_pq_clear(result) }
            try require(result, [MAFIN_PG_TUPLES_OK, MAFIN_PG_COMMAND_OK, MAFIN_PG_EMPTY_QUERY], what)
            let columns = mafin_pq_nfields(result)
            return (0..<mafin_pq_ntuples(result)).map { row in
                (0..<columns).map { column in
                    mafin_pq_getisnull(result, row, column) == 1
                        ? nil : String(cString: mafin_pq_getvalue(result, row, column))
                }
            }
        }

        /// Runs a statement that changes rows, and returns how many.
        /// - Throws: ``StoreError/refused(store:what:reason:)``.
        func change(_ statement: String, what: String) throws -> Int {
            let result = mafin_pq_exec(connection, statement)
            defer { mafin_pq_clear(result) }
            try require(result, [MAFIN_PG_TUPLES_OK, MAFIN_PG_COMMAND_OK], what)
            return Int(String(cString: mafin_pq_cmdTuples(result))) ?? 0
        }

        /// Sends rows to a `COPY … FROM STDIN`.
        /// - Throws: ``StoreError/refused(store:what:reason:)``.
        func copy(_ statement: String, _ bytes: [UInt8], what: String) throws {
            let begun = mafin_pq_exec(connection, statement)
            defer { mafin_pq_clear(begun) }
            try require(begun, [MAFIN_PG_COPY_IN], what)
            try bytes.withUnsafeBytes { all in
                for start in stride(from: 0, to: all.count, by: 1 << 20) {
                    let piece = UnsafeRawBufferPointer(rebasing: all[start..<min(start + 1 << 20, all.count)])
                    let sent = mafin_pq_putCopyData(
                        connection, piece.assumingMemoryBound(to: CChar.self).baseAddress, Int32(piece.count))
                    guard sent == 1 else { throw failure(what) }
                }
            }
            guard mafin_pq_putCopyEnd(connection, nil) == 1 else { throw failure(what) }
            var fault: (any Error)?
            while let result = mafin_pq_getResult(connection) {
                do { try require(result, [MAFIN_PG_COMMAND_OK], what) } catch { fault = fault ?? error }
                mafin_pq_clear(result)
            }
            if let fault { throw fault }
        }

        /// Runs a statement and calls `body` with each row as it comes: the bytes of each column in PostgreSQL's binary form.
        /// - Throws: ``StoreError/refused(store:what:reason:)``, or what `body` throws.
        func forEachRow(
            _ statement: String, what: String, _ body: ([UnsafeRawBufferPointer?]) throws -> Void
        ) throws {
            guard mafin_pq_sendQuery(connection, statement, 1) == 1, mafin_pq_setSingleRowMode(connection) == 1 else {
                throw failure(what)
            }
            var fault: (any Error)?
            // Every result must be taken, also after an error.
            while let result = mafin_pq_getResult(connection) {
                defer { mafin_pq_clear(result) }
                guard fault == nil else { continue }
                do {
                    try require(result, [MAFIN_PG_TUPLES_OK, MAFIN_PG_SINGLE_TUPLE], what)
                    let columns = mafin_pq_nfields(result)
                    for row in 0..<mafin_pq_ntuples(result) {
                        try body(
                            (0..<columns).map { column in
                                mafin_pq_getisnull(result, row, column) == 1
                                    ? nil
                                    : UnsafeRawBufferPointer(
                                        start: mafin_pq_getvalue(result, row, column),
                                        count: Int(mafin_pq_getlength(result, row, column)))
                            })
                    }
                } catch { fault = error }
            }
            if let fault { throw fault }
        }

        private func failure(_ what: String) -> StoreError {
            .refused(
                store: address.shown, what: what,
                reason: PostgreSQLConnection.oneLine(String(cString: mafin_pq_errorMessage(connection))))
        }

        private func require(_ result: OpaquePointer?, _ good: [Int32], _ what: String) throws {
            guard let result else { throw failure(what) }
            let status = mafin_pq_resultStatus(result)
            guard !good.contains(status) else { return }
            throw StoreError.refused(
                store: address.shown, what: what,
                reason: PostgreSQLConnection.oneLine(String(cString: mafin_pq_resultErrorMessage(result))))
        }
    }
}
