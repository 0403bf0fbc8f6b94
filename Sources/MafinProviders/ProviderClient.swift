import Logging

/// What the clients for vectors and for replies have in common: the server, and the account that pays.
protocol ProviderClient: Sendable {
    var profile: ProviderProfile { get }
    var exchange: Exchange { get }
    var retry: RetryPolicy { get }
    /// What the account may send per minute.
    var rates: RateLimits { get }
    var spending: Spending { get }
    var ledger: any AccountLedger { get }
    var time: any TimeSource { get }
    var logger: Logger? { get }
}

extension ProviderClient {
    /// Reserves a request in the account's ledger. Returns how long it must wait.
    func reserve(requests: Int = 1, tokens: Int) async throws -> Duration {
        try await ledger.reserve(
            RequestCost(requests: requests, tokens: tokens), account: exchange.account, rates: rates)
    }

    /// Corrects a reservation: adds tokens, or returns them if negative.
    func correct(tokens: Int) async throws {
        try await ledger.correct(tokens: tokens, account: exchange.account, rates: rates)
    }

    /// Stops all who share the account from sending for a time.
    func pause(for duration: Duration) async throws {
        try await ledger.pause(account: exchange.account, for: duration)
    }

    /// ``Spending/require(requests:tokens:ledger:endpoint:)``
    func require(requests: Int, tokens: Int) async throws {
        try await spending.require(requests: requests, tokens: tokens, ledger: ledger, endpoint: exchange.url)
    }

    /// ``Spending/book(tokens:account:ledger:endpoint:)``
    func book(_ tokens: Int) async throws -> Spending.Booking {
        try await spending.book(tokens: tokens, account: exchange.account, ledger: ledger, endpoint: exchange.url)
    }

    /// Corrects a booking to the actual cost of the request.
    func settle(_ booking: Spending.Booking, actual: Int) async throws {
        try await spending.settle(booking, actual: actual, ledger: ledger)
    }
}
