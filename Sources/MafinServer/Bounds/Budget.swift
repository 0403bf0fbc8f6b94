import Synchronization

/// A number of bytes or tokens that all requests together may hold.
final class Budget: Sendable {
    private let limit: Int
    private let used = Mutex(0)

    init(_ limit: Int) { self.limit = limit }

    /// What is held now.
    var inUse: Int { used.withLock { $0 } }

    /// Takes a share; `nil` if there is no room. If nothing is held, any amount is granted, so that no request is refused for ever.
    func share(_ amount: Int) -> Share? {
        let share = Share(of: self)
        return share.grow(by: amount) ? share : nil
    }

    /// The amount that one request holds. It is given back when nothing refers to the share any more.
    final class Share: Sendable {
        private let budget: Budget
        private let held = Mutex(0)

        fileprivate init(of budget: Budget) { self.budget = budget }

        deinit {
            let held = held.withLock { $0 }
            budget.used.withLock { $0 -= held }
        }

        /// Takes more. Returns false and takes nothing if there is no room.
        func grow(by amount: Int) -> Bool {
            held.withLock { held in
                let mine = held
                let hasRoom = budget.used.withLock { used in
                    guard used == mine || used + amount <= budget.limit else { return false }
                    used += amount
                    return true
                }
                if hasRoom { held += amount }
                return hasRoom
            }
        }
    }
}
