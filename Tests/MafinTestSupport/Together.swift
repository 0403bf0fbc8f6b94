import Foundation
import Synchronization

/// Threads that stand for processes: each gives bytes and gets those of all.
public final class Exchange: @unchecked Sendable {
    private let condition = NSCondition()
    private let count: Int
    private var round = 0
    private var given: [Int: [UInt8]] = [:]
    private var last: [[UInt8]] = []
    /// Set when a thread has failed, so that the others do not wait for it.
    private var isBroken = false

    /// Why an exchange ended early.
    public struct Broken: Error {}

    init(count: Int) { self.count = count }

    /// The bytes of all threads, by their number. Returns when all have called it.
    public func callAsFunction(_ number: Int, _ bytes: [UInt8]) throws -> [[UInt8]] {
        condition.lock()
        defer { condition.unlock() }
        let mine = round
        given[number] = bytes
        if given.count == count {
            last = (0..<count).map { given[$0] ?? [] }
            given = [:]
            round += 1
            condition.broadcast()
            return last
        }
        while round == mine, !isBroken { condition.wait() }
        if isBroken { throw Broken() }
        return last
    }

    func fail() {
        condition.lock()
        isBroken = true
        condition.broadcast()
        condition.unlock()
    }
}

/// Runs a body on several threads at a time.
/// - Returns: their results, by the number of the thread.
/// - Throws: the first error that is not ``Exchange/Broken``.
public func together<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int, Exchange) throws -> Result
) throws -> [Result] {
    let exchange = Exchange(count: count)
    let results = Mutex([Int: Swift.Result<Result, any Error>]())
    let group = DispatchGroup()
    for number in 0..<count {
        group.enter()
        Thread.detachNewThread {
            let result = Swift.Result { try body(number, exchange) }
            if case .failure = result { exchange.fail() }
            results.withLock { $0[number] = result }
            group.leave()
        }
    }
    group.wait()
    let all = results.withLock { all in (0..<count).compactMap { all[$0] } }
    for case .failure(let error) in all where !(error is Exchange.Broken) { throw error }
    return try all.map { try $0.get() }
}
