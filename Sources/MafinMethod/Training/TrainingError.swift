import Foundation

/// Why a training run failed or could not start.
public enum TrainingError: Error, CustomStringConvertible, Equatable {
    /// A part of the training data does not have the size that the other parts require.
    case size(part: String, expected: Int, found: Int)
    /// A query's label names a document that does not exist.
    case unknownDocument(query: Int, document: Int, documents: Int)
    /// A list names a query that does not exist, or names something twice.
    case badQuery(list: String, query: Int, reason: String)
    /// No training or no development queries are left.
    case noQueries(list: String, reason: String)
    /// A value among the options is out of its range.
    case option(name: String, expected: String, found: String)
    /// The loss, the norm of the gradient or a figure on dev is not finite. The encoder was set back to its best state.
    case notFinite(what: String, step: Int, value: Float)
    /// A checkpoint belongs to another run, or is damaged.
    case checkpoint(path: String, expected: String, found: String)

    /// The processes that train together failed, or do not agree any more.
    case processes(reason: String)

    static func requireSize(_ part: String, _ found: Int, _ expected: Int) throws {
        guard found == expected else { throw TrainingError.size(part: part, expected: expected, found: found) }
    }

    /// Whether a failure concerns only one method, so that a comparison may leave that method out, say why, and
    /// continue with the others.
    ///
    /// This is true if the data does not suit the method, or if its updates made its numbers overflow. Everything else
    /// (options, checkpoints, files, weights that were not finite at the start) would fail for the other methods too.
    /// It ends the command, and checkpoints stay.
    package static func isOfOneMethod(_ error: any Error) -> Bool {
        switch error {
        case TrainingError.noQueries, is CalibrationError: true
        // Step 1 is computed from the weights that were given.
        case TrainingError.notFinite(_, let step, _): step > 1
        default: false
        }
    }

    /// One sentence: what is wrong, where, what was expected and what was found.
    public var description: String {
        switch self {
        case .size(let part, let expected, let found):
            "training data: \(part): expected \(expected), found \(found)"
        case .unknownDocument(let query, let document, let documents):
            "training data: a label of query \(query) names document \(document), but there are \(documents) documents"
        case .badQuery(let list, let query, let reason):
            "training data: \(list): query \(query) \(reason)"
        case .noQueries(let list, let reason):
            "training data: no \(list): \(reason)"
        case .option(let name, let expected, let found):
            "training option \(name): expected \(expected), found \(found)"
        case .notFinite(let what, let step, let value):
            "step \(step): the \(what) is \(value); the encoder was set back to its best state "
                + "(a lower learning rate or a higher temperature usually helps)"
        case .processes(let reason): "training on several processes: \(reason)"
        case .checkpoint(let path, let expected, let found):
            "\(path): expected \(expected), found \(found)"
        }
    }
}
