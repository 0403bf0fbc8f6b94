import Foundation
import HTTPTypes
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinNumerics
import MafinPipeline
import Synchronization

/// Computes the local vectors of all requests. Rows of the requests that wait go into one batch, up to a number of tokens.
///
/// Nothing waits for a batch to fill: a request that comes while a batch is computed is in the next one. Each waiting request has a share of
/// every batch, so that a single query need not wait for a thousand documents. The encoders run on a thread of their own, and their loops use
/// all cores. The threads of Swift's tasks are never blocked.
final class LocalEngine: Sendable {
    /// Bounds of the queue.
    struct Limits: Sendable {
        /// Tokens of a batch. More are a little faster, but a query that has just missed a batch waits longer.
        var batchTokens: Int
        /// Tokens that may wait. Beyond them requests are refused.
        var queueTokens: Int
    }

    /// Told of each batch: rows, tokens, seconds.
    typealias Observer = @Sendable (Int, Int, Double) -> Void

    /// Numbers in a vector.
    let dimension: Int
    /// Tokens that wait or are computed.
    var load: Int { core.state.withLock { $0.tokens } }
    /// Estimated seconds until the work that waits is done; at least 1.
    var seconds: Int { core.seconds }
    /// Whether a batch has been computed for so long that it will probably never end.
    var isStuck: Bool {
        core.state.withLock { state in state.began.map { ContinuousClock.now - $0 > .seconds(30) } ?? false }
    }

    private let core: Core
    private let readers: (query: RoleReader, document: RoleReader)

    /// The engines of the encoders that an artefact has: the local encoder, and that of its stand-in, which reads queries alone. They share no
    /// weights. Each has a thread of its own.
    /// - Parameter model: only the engines' threads use it from here on.
    static func engines(
        of model: sending ArtefactModel, limits: Limits, observer: @escaping Observer = { _, _, _ in }
    ) -> (local: LocalEngine?, standIn: LocalEngine?) {
        (
            model.encoder.map { LocalEngine($0.query, $0.document, limits: limits, observer: observer) },
            model.standIn.map { LocalEngine($0.encoder, $0.encoder, limits: limits, observer: observer) }
        )
    }

    private init(_ query: TextEncoder, _ document: TextEncoder, limits: Limits, observer: @escaping Observer) {
        dimension = document.encoder.dimension
        readers = (RoleReader(query, .query), RoleReader(document, .document))
        core = Core((query, document), limits: limits, observer: observer)
        let thread = Thread { [core] in core.run() }
        thread.name = "mafin.encoder"
        thread.stackSize = 8 << 20
        thread.qualityOfService = .userInitiated
        thread.start()
    }

    deinit { core.stop() }

    func reader(_ role: TextRole) -> RoleReader { role == .query ? readers.query : readers.document }

    /// `nil` for an encoder of images.
    func tokenizer(_ role: TextRole) -> RoleTokenizer? { reader(role).tokenizer }

    // MARK: Work

    /// Vectors of texts or images as the encoder emits them, `(rows.count, dimension)`.
    /// - Throws: ``ServiceError`` if the queue is full or a vector is not finite; `CancellationError`.
    func embed(_ rows: ItemBatch, as role: TextRole) async throws -> Matrix {
        guard rows.count > 0 else { return Matrix(rows: 0, columns: dimension) }
        try Task.checkCancellation()
        return try await vectors(of: submit(rows, as: role))
    }

    /// Puts rows, at least one, into the queue. The caller must then await ``vectors(of:)``.
    /// - Throws: ``ServiceError`` where the queue is full.
    func submit(_ rows: ItemBatch, as role: TextRole) throws -> Job {
        precondition(rows.count > 0, "nothing to compute")
        let job = Job(rows, role, dimension: dimension)
        try core.submit(job)
        return job
    }

    /// The vectors of a job. May be called once. If the calling task is cancelled, its job leaves the queue.
    /// - Throws: ``ServiceError`` if a vector is not finite; `CancellationError`.
    func vectors(of job: Job) async throws -> Matrix {
        try await withTaskCancellationHandler {
            try await job.outcome.value()
        } onCancel: {
            core.cancel(job)
        }
    }

    /// The rows of a request in the queue. The core's lock guards `next` and `finished`; only the engine's thread writes `output`.
    final class Job: @unchecked Sendable {
        let rows: ItemBatch
        let role: TextRole
        fileprivate var next = 0
        fileprivate var finished = 0
        fileprivate var output: [Float]
        fileprivate let outcome = FirstResult<Matrix>()

        init(_ rows: ItemBatch, _ role: TextRole, dimension: Int) {
            (self.rows, self.role) = (rows, role)
            output = [Float](repeating: 0, count: rows.count * dimension)
        }
    }

    /// Rows of one job in one batch.
    fileprivate struct Piece {
        let job: Job
        let rows: Range<Int>
    }
}

/// The queue and its thread. They are separate from ``LocalEngine``, so that the thread does not keep the engine alive.
private final class Core: @unchecked Sendable {
    struct State {
        var jobs: [LocalEngine.Job] = []
        var tokens = 0
        var isStopped = false
        var lastRole: TextRole?
        /// Tokens a second, of recent batches.
        var rate = 0.0
        /// When the batch that is computed now began.
        var began: ContinuousClock.Instant?
    }

    let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let encoders: (query: TextEncoder, document: TextEncoder)
    private let limits: LocalEngine.Limits
    private let observer: LocalEngine.Observer

    init(
        _ encoders: (query: TextEncoder, document: TextEncoder), limits: LocalEngine.Limits,
        observer: @escaping LocalEngine.Observer
    ) {
        (self.encoders, self.limits, self.observer) = (encoders, limits, observer)
    }

    func submit(_ job: LocalEngine.Job) throws {
        try state.withLock { state in
            if state.isStopped { throw ServiceError(.serviceUnavailable, .unavailable, "the server is ending") }
            // If nothing else waits, a request is never refused for its size.
            if !state.jobs.isEmpty, state.tokens + job.rows.tokenCount > limits.queueTokens {
                throw ServiceError.overloaded(retryAfter: Self.seconds(of: state))
            }
            state.jobs.append(job)
            state.tokens += job.rows.tokenCount
        }
        wake.signal()
    }

    /// Seconds until the work that waits is done, at the rate of recent batches; at least 1.
    private static func seconds(of state: State) -> Int {
        max(1, Int((Double(state.tokens) / max(state.rate, 100)).rounded(.up)))
    }

    var seconds: Int { state.withLock { Self.seconds(of: $0) } }

    func cancel(_ job: LocalEngine.Job) { finish(job, .failure(CancellationError())) }

    func stop() {
        state.withLock { $0.isStopped = true }
        wake.signal()
    }

    /// Takes a job out of the queue and answers it.
    private func finish(_ job: LocalEngine.Job, _ result: Result<Matrix, any Error>) {
        state.withLock { state in
            guard let place = state.jobs.firstIndex(where: { $0 === job }) else { return }
            state.jobs.remove(at: place)
            state.tokens -= job.rows.tokenCount
        }
        job.outcome.finish(result)
    }

    // MARK: The thread

    func run() {
        while true {
            wake.wait()
            while let (role, pieces) = nextBatch() { compute(pieces, role) }
            let left = state.withLock { $0.isStopped ? $0.jobs : nil }
            guard let left else { continue }
            for job in left { finish(job, .failure(CancellationError())) }
            return
        }
    }

    /// The pieces of the next batch, all of one role; `nil` where nothing waits.
    private func nextBatch() -> (TextRole, [LocalEngine.Piece])? {
        state.withLock { state in
            let waiting = state.jobs.filter { $0.next < $0.rows.count }
            guard let first = waiting.first else { return nil }
            // If both encoders have work, they take turns.
            let role =
                waiting.contains { $0.role != state.lastRole } && waiting.contains { $0.role == state.lastRole }
                ? (state.lastRole == .query ? .document : .query) : first.role
            state.lastRole = role
            let mine = waiting.filter { $0.role == role }
            var left = limits.batchTokens
            var pieces: [LocalEngine.Piece] = []
            func take(from job: LocalEngine.Job, upTo share: Int) {
                let start = job.next
                var tokens = 0
                while job.next < job.rows.count {
                    let length = job.rows.length(of: job.next)
                    // At least one row for each request, as long as there is room, and at least one row in every batch.
                    guard tokens + length <= share || tokens == 0,
                        tokens + length <= left || pieces.isEmpty && tokens == 0
                    else { break }
                    tokens += length
                    job.next += 1
                }
                left -= tokens
                if job.next > start { pieces.append(.init(job: job, rows: start..<job.next)) }
            }
            let share = left / mine.count
            for job in mine where left > 0 { take(from: job, upTo: share) }
            // The room that small requests leave goes to the first requests.
            for job in mine where left > 0 { take(from: job, upTo: left) }
            return (role, pieces)
        }
    }

    private func compute(_ pieces: [LocalEngine.Piece], _ role: TextRole) {
        let encoder = (role == .query ? encoders.query : encoders.document).encoder
        let batch = ItemBatch.concatenating(pieces.map { $0.job.rows.selecting(rows: Array($0.rows)) })
        let start = ContinuousClock.now
        state.withLock { $0.began = start }
        defer { state.withLock { $0.began = nil } }
        do {
            let vectors = try encoder.embed(batch)
            let seconds = (ContinuousClock.now - start).inSeconds
            state.withLock { state in
                let rate = Double(batch.tokenCount) / max(seconds, 1e-6)
                state.rate = state.rate == 0 ? rate : 0.8 * state.rate + 0.2 * rate
            }
            observer(batch.count, batch.tokenCount, seconds)
            var row = 0
            for piece in pieces {
                deliver(piece, vectors, from: row)
                row += piece.rows.count
            }
        } catch  where pieces.count > 1 {
            // One request may be the cause. Each is computed by itself, so that the others are answered.
            for piece in pieces { compute([piece], role) }
        } catch {
            for piece in pieces { finish(piece.job, .failure(Self.readable(error))) }
        }
    }

    /// A picture that cannot be read is the client's fault.
    private static func readable(_ error: any Error) -> any Error {
        guard let error = error as? ImageError else { return error }
        return ServiceError(.unprocessableContent, .invalidRequest, "\(error)", code: "unreadable_image")
    }

    private func deliver(_ piece: LocalEngine.Piece, _ vectors: Matrix, from first: Int) {
        let columns = vectors.columns
        let job = piece.job
        let values = vectors.values[first * columns..<(first + piece.rows.count) * columns]
        guard values.allSatisfy(\.isFinite) else {
            let place = values.firstIndex { !$0.isFinite } ?? values.startIndex
            let row = piece.rows.lowerBound + (place - values.startIndex) / columns
            let text = "the local encoder gives no finite vector for input \(row)"
            return finish(
                job, .failure(ServiceError(.unprocessableContent, .invalidRequest, text, parameter: "input")))
        }
        job.output.replaceSubrange(piece.rows.lowerBound * columns..<piece.rows.upperBound * columns, with: values)
        let isComplete = state.withLock { _ in
            job.finished += piece.rows.count
            return job.finished == job.rows.count
        }
        if isComplete { finish(job, .success(Matrix(rows: job.rows.count, columns: columns, values: job.output))) }
    }
}
