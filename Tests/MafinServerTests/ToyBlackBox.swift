import MafinBlackBox
import MafinNumerics
import MafinServer
import Synchronization

/// A black box with known vectors: each depends only on the text's bytes. It can be slow, refuse texts, or be
/// unavailable.
final class ToyBlackBox: BlackBox {
    static let dimension = 16

    struct Behaviour: Sendable {
        var delay: Duration = .zero
        var isAway = false
        /// The waiting time that it gives while it is unavailable.
        var retryAfter: Int?
        /// A call with a text that contains this word is refused as a whole.
        var refusedWord: String?
        /// Whether every text is refused.
        var refusesAll = false
    }

    struct Record: Sendable {
        var calls: [[String]] = []
        var cancelled = 0
    }

    let behaviour = Mutex(Behaviour())
    let record = Mutex(Record())

    var identity: BlackBoxIdentity {
        BlackBoxIdentity(provider: "toy", model: "toy", dimension: Self.dimension, normalisation: .unit)
    }

    var calls: [[String]] { record.withLock { $0.calls } }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let behaviour = behaviour.withLock { $0 }
        record.withLock { $0.calls.append(items.map(\.text)) }
        do {
            try await Task.sleep(for: behaviour.delay)
        } catch {
            record.withLock { $0.cancelled += 1 }
            throw error
        }
        if behaviour.isAway { throw UpstreamFailure(.unavailable, "the toy is away", retryAfter: behaviour.retryAfter) }
        if behaviour.refusesAll { throw UpstreamFailure(.textRefused, "the toy takes no text") }
        if let word = behaviour.refusedWord, let text = items.first(where: { $0.text.contains(word) })?.text {
            throw UpstreamFailure(.textRefused, "the toy refuses '\(text)'")
        }
        return Matrix(
            rows: items.count, columns: Self.dimension, values: items.flatMap { Self.vector($0.text, role) })
    }

    /// A unit vector.
    static func vector(_ text: String, _ role: TextRole) -> [Float] {
        let seed = (text + role.rawValue).utf8.reduce(UInt64(7)) { ($0 &* 31) &+ UInt64($1) }
        var random = RandomGenerator(seed: seed)
        let raw = (0..<dimension).map { _ in random.normal() }
        let norm = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return raw.map { $0 / norm }
    }
}
