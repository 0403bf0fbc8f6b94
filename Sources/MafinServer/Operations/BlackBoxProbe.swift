import MafinBlackBox
import Synchronization

/// Whether the black box answers.
///
/// It is believed for half a minute after it has answered anything. After that, before it was ever asked, and every few seconds after a
/// failure, it is asked for a word, past the cache. That goes on whatever becomes of who asked; all who ask meanwhile wait for it, a little.
final class BlackBoxProbe: Sendable {
    private struct State {
        var running: Task<String?, Never>?
        var asked: ContinuousClock.Instant?
        var failure: String?
    }

    private let upstream: UpstreamBatcher
    private let belief: Duration
    private let pause: Duration
    private let state = Mutex(State())

    /// - Parameters:
    ///   - belief: how long an answer proves that the black box is there.
    ///   - pause: time between two questions while it fails.
    init(_ upstream: UpstreamBatcher, belief: Duration = .seconds(30), pause: Duration = .seconds(5)) {
        (self.upstream, self.belief, self.pause) = (upstream, belief, pause)
    }

    /// Why the black box cannot be asked; `nil`: it can.
    func failure() async -> String? {
        let (running, known) = state.withLock { state -> (Task<String?, Never>?, String?) in
            let now = ContinuousClock.now
            let failed = upstream.lastFailure?.message
            // Only an answer that came after it takes a failure back.
            if failed == nil, let asked = state.asked, let answer = upstream.lastAnswer, answer > asked {
                state.failure = nil
            }
            let known = failed ?? state.failure
            if state.running == nil, isDue(state, known, now) {
                state.asked = now
                state.running = Task { await self.ask() }
            }
            return (state.running, known)
        }
        guard let running else { return known }
        // Where nothing is known yet, or not for long, there is nothing else to say.
        let wait: Duration = known == nil ? .seconds(5) : .seconds(1)
        guard let outcome = await value(of: running, within: wait) else {
            return known ?? "the black box did not answer within 5 s"
        }
        return outcome
    }

    private func isDue(_ state: State, _ known: String?, _ now: ContinuousClock.Instant) -> Bool {
        if known != nil { return state.asked.map { now - $0 >= pause } ?? true }
        return upstream.lastAnswer.map { now - $0 >= belief } ?? true
    }

    private func ask() async -> String? {
        var failure: String?
        do {
            try await upstream.probe(EmbeddingItem(id: "readiness", text: "ready"), as: .query)
        } catch let error as UpstreamFailure where error.isOfText {
            // Stored answers, which do not hold that text: they are there.
        } catch {
            failure = "\(error)"
        }
        state.withLock { ($0.running, $0.failure) = (nil, failure) }
        return failure
    }

    /// The task's value; `nil` (twice) once so much time has passed, while the task goes on.
    private func value(of task: Task<String?, Never>, within limit: Duration) async -> String?? {
        await withCheckedContinuation { (continuation: CheckedContinuation<String??, Never>) in
            let waiting = Waiting(continuation)
            let clock = Task {
                try? await Task.sleep(for: limit)
                waiting.resume(nil)
            }
            Task {
                waiting.resume(.some(await task.value))
                clock.cancel()
            }
        }
    }

    /// Whoever comes first wakes the waiting task.
    private final class Waiting: Sendable {
        private let continuation: Mutex<CheckedContinuation<String??, Never>?>

        init(_ continuation: CheckedContinuation<String??, Never>) { self.continuation = Mutex(continuation) }

        func resume(_ value: String??) {
            let continuation = continuation.withLock { held in
                defer { held = nil }
                return held
            }
            continuation?.resume(returning: value)
        }
    }
}
