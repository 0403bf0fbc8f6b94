import MafinBlackBox
import MafinText
import Synchronization

/// What was done with a ``SharedModel`` since it was opened.
package final class SharedCounters: Sendable {
    /// The numbers.
    package struct Values: Sendable, Equatable {
        /// Texts that an encoder encoded.
        package var (queries, documents) = (0, 0)
        /// Tokens of these texts, cut ones as far as they were read.
        package var tokens = 0
        /// Texts that had the largest number of tokens: those that were cut, and those that just fit.
        package var textsAtLimit = 0
        /// Seconds in which an encoder was at work.
        package var encodingSeconds = 0.0
        /// Queries that were ranked or scored.
        package var searches = 0
        /// Seconds of ranking and scoring, without encoding.
        package var searchSeconds = 0.0
        /// Calls that ended with an error.
        package var errors = 0
    }

    private let state = Mutex(Values())

    /// All of them at one moment.
    package var values: Values { state.withLock { $0 } }

    func encoded(_ role: TextRole, _ batch: TokenBatch, full: Int, seconds: Double) {
        let atLimit = (0..<batch.count).count(where: { batch.length(of: $0) == full })
        state.withLock { values in
            if role == .query { values.queries += batch.count } else { values.documents += batch.count }
            values.tokens += batch.tokenCount
            values.textsAtLimit += atLimit
            values.encodingSeconds += seconds
        }
    }

    func searched(_ queries: Int, seconds: Double) {
        state.withLock { values in
            values.searches += queries
            values.searchSeconds += seconds
        }
    }

    /// Counts a call that ended with an error.
    package func failed() { state.withLock { $0.errors += 1 } }
}
