import MafinProviders
import Synchronization

/// What this command has spent. A limit holds for the whole of it, however often a model is opened (writer and judge; round trip, training
/// and evaluation of `mafin adapt`).
enum CommandSpending {
    private enum Purpose: Hashable {
        case vectors, replies
    }

    private struct Key: Hashable {
        var purpose: Purpose
        var limit: SpendingLimit
    }

    private static let purses = Mutex<[Key: Spending]>([:])

    /// The one for vectors.
    static func vectors(_ limit: SpendingLimit) -> Spending {
        purse(Key(purpose: .vectors, limit: limit)) { Spending(limit: limit) }
    }

    /// The one for replies of language models.
    static func replies(requests: Int?, cost: Double?) -> Spending {
        purse(Key(purpose: .replies, limit: SpendingLimit(requests: requests, cost: cost))) {
            ChatModel.spending(requests: requests, cost: cost)
        }
    }

    private static func purse(_ key: Key, _ make: () -> Spending) -> Spending {
        purses.withLock { purses in
            if let known = purses[key] { return known }
            let new = make()
            purses[key] = new
            return new
        }
    }
}
