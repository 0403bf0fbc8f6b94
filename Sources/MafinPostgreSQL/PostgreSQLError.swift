/// What is wrong with an address, or what the client library or the server says.
///
/// No case holds a password: an address is never repeated, and the library's messages name hosts, users and databases only. Callers turn it
/// into an error of their own, which names the address without its parameters (``PostgreSQLAddress/shown``).
public enum PostgreSQLError: Error, Sendable, Equatable {
    /// A text is no address.
    case notAnAddress(reason: String)
    /// An address holds a password, where other users of the machine can read it.
    case passwordInAddress
    /// The client library is missing, or too old.
    case missingLibrary(reason: String)
    /// There is no connection. `isPassing`: waiting may help. It does not with a wrong password.
    case unreachable(reason: String, isPassing: Bool)
    /// The connection was lost while a statement ran.
    case lost(what: String, reason: String)
    /// The server refuses a statement. `state`: the SQLSTATE; empty if it gives none.
    case refused(what: String, state: String, reason: String)
    /// A column of a result has another type than the program reads: somebody has altered the table.
    case otherType(column: String, expected: String, found: String)

    /// Where a password belongs, for messages.
    public static let placesOfPasswords = "PGPASSWORD or ~/.pgpass"

    /// One line: what was expected, or what the library or the server says.
    public var reason: String {
        switch self {
        case .passwordInAddress:
            "the address must not hold a password; put it into \(Self.placesOfPasswords)"
        case .notAnAddress(let reason), .missingLibrary(let reason), .unreachable(let reason, _), .lost(_, let reason),
            .refused(_, _, let reason):
            reason
        case .otherType(let column, let expected, let found):
            "expected the column '\(column)' of type \(expected), found \(found); was the table altered?"
        }
    }

    /// Whether the same statements may succeed later.
    public var isPassing: Bool {
        switch self {
        case .lost: true
        case .unreachable(_, let isPassing): isPassing
        // Serialization failure, or deadlock.
        case .refused(_, let state, _): ["40001", "40P01"].contains(state)
        case .notAnAddress, .passwordInAddress, .missingLibrary, .otherType: false
        }
    }
}
