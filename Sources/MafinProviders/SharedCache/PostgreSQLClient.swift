import CPostgreSQL
import Foundation
import MafinNumerics

/// A connection to PostgreSQL, made when it is first used and again when it is lost. Statements wait, so they run on a thread
/// of their own, one after the other.
final class PostgreSQLClient: @unchecked Sendable {
    /// The address without a password, for errors.
    let shown: String
    private let address: String
    private let queue = DispatchQueue(label: "mafin.shared-cache")
    /// Seconds until a server that does not answer ends the call.
    private let patience: TimeInterval
    /// Runs on each new connection.
    private let prepare: @Sendable (PostgreSQLSession) throws -> Void
    /// Only used in ``queue``, as is the session in it.
    private var session: PostgreSQLSession?

    /// Connects later.
    /// - Parameter prepare: runs on each new connection, before anything else.
    /// - Throws: ``ProviderError/cacheUnusable(path:reason:)`` for an address with a password: other users of a machine can read
    ///   the command lines of its processes.
    init(
        _ address: String, patience: TimeInterval,
        prepare: @escaping @Sendable (PostgreSQLSession) throws -> Void = { _ in }
    ) throws {
        guard let parts = URLComponents(string: address), ["postgresql", "postgres"].contains(parts.scheme ?? "") else {
            throw ProviderError.cacheUnusable(path: "--cache", reason: "expected postgresql://USER@HOST:PORT/DATABASE")
        }
        let holdsPassword =
            parts.password != nil || parts.queryItems?.contains { $0.name.lowercased().contains("password") } == true
        var safe = parts
        (safe.password, safe.queryItems) = (nil, nil)
        shown = safe.string ?? "postgresql://"
        guard !holdsPassword else {
            throw ProviderError.cacheUnusable(
                path: shown, reason: "the address must not hold a password; put it into PGPASSWORD or ~/.pgpass")
        }
        (self.address, self.patience, self.prepare) = (address, patience, prepare)
    }

    /// Runs statements as one transaction. If the connection is lost or the server asks to try again, all of it is repeated, so
    /// it must be harmless twice.
    /// - Throws: ``ProviderError/cacheUnusable(path:reason:)``, ``ProviderError/cacheFull(path:)``, or what the body throws.
    func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (PostgreSQLSession) throws -> Result
    ) async throws -> Result {
        try await run { session in
            try session.execute("BEGIN")
            do {
                let result = try body(session)
                try session.execute("COMMIT")
                return result
            } catch {
                try? session.execute("ROLLBACK")
                throw error
            }
        }
    }

    /// Runs statements, each by itself. As for ``transaction(_:)``, they may be repeated.
    func run<Result: Sendable>(
        _ body: @escaping @Sendable (PostgreSQLSession) throws -> Result
    ) async throws -> Result {
        // It runs to its end even if the waiting task is cancelled, because what it writes is paid.
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try self.patiently(body) }) }
        }
    }

    private func patiently<Result>(_ body: (PostgreSQLSession) throws -> Result) throws -> Result {
        let giveUp = Date().addingTimeInterval(patience)
        var pause = 0.02
        while true {
            do {
                return try body(try connected())
            } catch let fault as PostgreSQLFault {
                let isLost = session?.isOpen != true
                if isLost { session = nil }
                guard isLost ? fault.isPassing : fault.isToBeRepeated, Date() < giveUp else { throw named(fault) }
                Thread.sleep(forTimeInterval: pause)
                pause = min(2 * pause, 1)
            }
        }
    }

    private func connected() throws -> PostgreSQLSession {
        if let session { return session }
        let opened = try PostgreSQLSession(address)
        try opened.execute("SET client_min_messages = warning")
        try prepare(opened)
        session = opened
        return opened
    }

    private func named(_ fault: PostgreSQLFault) -> ProviderError {
        // disk_full
        fault.state == "53100" ? .cacheFull(path: shown) : .cacheUnusable(path: shown, reason: fault.reason)
    }
}

/// What the server or the library says.
struct PostgreSQLFault: Error {
    /// The SQLSTATE; empty if there is none.
    var state: String
    var reason: String
    /// Whether waiting may help when there is no connection: not with a wrong password or without the library.
    var isPassing = true

    /// Serialization failure, or deadlock.
    var isToBeRepeated: Bool { ["40001", "40P01"].contains(state) }
}

/// An open connection. Used by one thread.
final class PostgreSQLSession {
    private let connection: OpaquePointer

    fileprivate init(_ address: String) throws {
        var text = [CChar](repeating: 0, count: 512)
        guard mafin_pq_load(&text, Int32(text.count)) == 0 else {
            let reason = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw PostgreSQLFault(state: "", reason: reason, isPassing: false)
        }
        guard let connection = mafin_pq_connectdb(address) else {
            throw PostgreSQLFault(state: "", reason: "no memory for a connection", isPassing: false)
        }
        guard mafin_pq_status(connection) == Int32(MAFIN_PG_CONNECTION_OK) else {
            let reason = Self.line(mafin_pq_errorMessage(connection))
            mafin_pq_finish(connection)
            // A server that starts or is out of connections says so, and it passes. A refused login stays refused.
            let lasts = ["authentication failed", "does not exist", "no password supplied", "invalid"]
            throw PostgreSQLFault(state: "", reason: reason, isPassing: !lasts.contains { reason.contains($0) })
        }
        self.connection = connection
    }

    deinit { mafin_pq_finish(connection) }

    var isOpen: Bool { mafin_pq_status(connection) == Int32(MAFIN_PG_CONNECTION_OK) }

    private static func line(_ text: UnsafePointer<CChar>?) -> String {
        guard let text else { return "no reason given" }
        return String(cString: text).split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }

    func execute(_ statement: String, _ values: [String?] = []) throws { _ = try query(statement, values) }

    /// Runs a statement with parameters as text, and returns its rows.
    func query(_ statement: String, _ values: [String?] = []) throws -> PostgreSQLRows {
        let copies = values.map { $0.map { strdup($0) } ?? nil }
        defer { for copy in copies { free(copy) } }
        let pointers = copies.map { UnsafePointer($0) }
        let result = pointers.withUnsafeBufferPointer {
            mafin_pq_execParams(connection, statement, Int32(values.count), $0.baseAddress, 1)
        }
        guard let result else { throw PostgreSQLFault(state: "", reason: Self.line(mafin_pq_errorMessage(connection))) }
        let status = mafin_pq_resultStatus(result)
        guard [MAFIN_PG_COMMAND_OK, MAFIN_PG_TUPLES_OK].contains(where: { status == Int32($0) }) else {
            defer { mafin_pq_clear(result) }
            let state = mafin_pq_resultErrorState(result).map { String(cString: $0) } ?? ""
            throw PostgreSQLFault(state: state, reason: Self.line(mafin_pq_resultErrorMessage(result)))
        }
        return PostgreSQLRows(result)
    }
}

/// The rows of a result, in binary form.
final class PostgreSQLRows {
    private let result: OpaquePointer

    fileprivate init(_ result: OpaquePointer) { self.result = result }

    deinit { mafin_pq_clear(result) }

    var count: Int { Int(mafin_pq_ntuples(result)) }

    /// The bytes of a value; nil for NULL.
    func bytes(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer? {
        let (row, column) = (Int32(row), Int32(column))
        guard mafin_pq_getisnull(result, row, column) == 0 else { return nil }
        return UnsafeRawBufferPointer(
            start: mafin_pq_getvalue(result, row, column), count: Int(mafin_pq_getlength(result, row, column)))
    }

    func data(_ row: Int, _ column: Int) -> Data? { bytes(row, column).map { Data($0) } }

    /// A value of type bigint.
    func integer(_ row: Int, _ column: Int) -> Int64? {
        bytes(row, column).map {
            precondition($0.count == 8, "a statement must give bigint")
            return Int64(bigEndian: $0.loadUnaligned(as: Int64.self))
        }
    }

    /// A value of type double precision.
    func double(_ row: Int, _ column: Int) -> Double? {
        bytes(row, column).map {
            precondition($0.count == 8, "a statement must give double precision")
            return Double(bitPattern: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)))
        }
    }
}

/// Values as PostgreSQL reads them.
enum PostgreSQLText {
    /// An array of bytes.
    static func array(_ values: some Sequence<Data>) -> String {
        var text: [UInt8] = [UInt8(ascii: "{")]
        for value in values {
            if text.count > 1 { text.append(UInt8(ascii: ",")) }
            text += Array("\"\\\\x".utf8)
            text += Array(ContentHash.hexadecimal(value).utf8)
            text.append(UInt8(ascii: "\""))
        }
        text.append(UInt8(ascii: "}"))
        return String(decoding: text, as: UTF8.self)
    }

    /// An array of whole numbers.
    static func array(_ values: some Sequence<some BinaryInteger>) -> String {
        "{" + values.map { "\($0)" }.joined(separator: ",") + "}"
    }
}
