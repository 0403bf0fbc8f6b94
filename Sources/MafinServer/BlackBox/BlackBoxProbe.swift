import MafinBlackBox
import MafinImages
import Synchronization

/// Finds out whether the black box answers.
///
/// An answer to any call shows for half a minute that the black box is there. After that, before the first call, and every few seconds after a
/// failure, the probe asks for the vector of one word, without the cache. That call goes on even if the request that wanted it has gone. Other
/// requests that need its outcome wait for it, for a few seconds at most.
final class BlackBoxProbe: Sendable {
    private struct State {
        var running: Task<UpstreamFailure?, Never>?
        var asked: ContinuousClock.Instant?
        var failure: UpstreamFailure?
    }

    private let upstream: UpstreamBatcher
    private let item: EmbeddingItem
    private let belief: Duration
    private let pause: Duration
    private let state = Mutex(State())

    /// - Parameters:
    ///   - asksForImage: whether it asks for the vector of a grey picture instead of that of a word.
    ///   - belief: how long an answer shows that the black box is there.
    ///   - pause: time between two calls while it fails.
    init(
        _ upstream: UpstreamBatcher, asksForImage: Bool = false, belief: Duration = .seconds(30),
        pause: Duration = .seconds(5)
    ) {
        item =
            asksForImage
            ? EmbeddingItem(id: "readiness", text: "", image: Self.picture)
            : EmbeddingItem(id: "readiness", text: "ready")
        (self.upstream, self.belief, self.pause) = (upstream, belief, pause)
    }

    /// Some models refuse pictures that are smaller than one of their patches.
    private static let picture: ItemImage = {
        let side = 64
        let grey = PixelImage(width: side, height: side, pixels: [UInt8](repeating: 128, count: 3 * side * side))
        do {
            return try ItemImage(bytes: grey.png(name: "readiness"), name: "readiness")
        } catch {
            preconditionFailure("a picture of \(side) pixels cannot be written: \(error)")
        }
    }()

    /// Why the black box cannot be asked; `nil` if it can.
    func failure() async -> UpstreamFailure? {
        let (running, known) = state.withLock { state -> (Task<UpstreamFailure?, Never>?, UpstreamFailure?) in
            let now = ContinuousClock.now
            let failed = upstream.lastFailure
            // Only an answer that came after the failure cancels it.
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
        // Before the first outcome there is nothing to report, so waiting longer is worth it.
        let wait: Duration = known == nil ? .seconds(5) : .seconds(1)
        let late = known ?? UpstreamFailure(.unavailable, "the black box did not answer within 5 s")
        do {
            return try await withDeadline(wait) {
                await running.value
            } late: {
                late
            }
        } catch {
            return late
        }
    }

    private func isDue(_ state: State, _ known: UpstreamFailure?, _ now: ContinuousClock.Instant) -> Bool {
        if known != nil { return state.asked.map { now - $0 >= pause } ?? true }
        return upstream.lastAnswer.map { now - $0 >= belief } ?? true
    }

    private func ask() async -> UpstreamFailure? {
        var failure: UpstreamFailure?
        do {
            try await upstream.probe(item, as: .query)
        } catch let error as UpstreamFailure where error.kind == .unknownText {
            // The black box is a file of stored vectors that does not hold this word. The file is there.
        } catch let error as UpstreamFailure where error.kind == .textRefused {
            // Nothing is wrong with this word or picture, so a black box that refuses it refuses every one.
            let asked = item.image == nil ? "the word 'ready'" : "a grey picture"
            failure = UpstreamFailure(.refused, "the black box refuses \(asked): \(error)")
        } catch {
            failure = error as? UpstreamFailure ?? UpstreamFailure(.unavailable, "\(error)")
        }
        state.withLock { ($0.running, $0.failure) = (nil, failure) }
        return failure
    }
}
