import Logging
import MafinBlackBox
import MafinNumerics

/// The state of one call to a provider: its batches, the requests in flight, and their outcomes.
///
/// All items are of one kind: texts, images, or images with texts. Requests run as child tasks that make one attempt each. The one task
/// that waits for them decides everything else (what is sent next, pauses, cutting, handing over), so the state needs no lock.
struct Asking {
    typealias Batch = BatchSchedule.Batch

    enum Event: Sendable {
        case outcome(Batch, Exchange.Outcome, number: Int, booking: Spending.Booking)
        /// Rows were handed over, or the receiver failed.
        case handedOver((any Error)?)
        case wake
        case stopped
    }

    /// The call ends when the server has refused this many texts one by one, unless more were answered.
    static let maximumRefusedTexts = 100
    /// The call ends after this many refusals of single texts if nothing was ever answered, because then the texts are not the cause.
    static let refusalsBeforeDoubt = 2

    let box: ProviderBlackBox
    let items: [EmbeddingItem]
    let role: TextRole
    private let stop: StopSignal
    private let prefix: String
    private let answered: @Sendable (AnsweredRows) async throws -> Void
    private let costs: [ItemCost]
    private let wordCounts: [Int]
    private let forms: [BoundRequest]
    /// Whether the items are images.
    let hasImages: Bool
    /// Mean of the estimated tokens of a text.
    let averageTokens: Int

    var schedule: BatchSchedule
    var window: ConcurrencyWindow
    var failure: (any Error)?
    var refused: [RefusedText] = []
    /// Requests of this call that were answered, and requests that have failed in a row since the last answer.
    var answers = 0
    var answeredTexts = 0
    var failuresInRow = 0
    /// Answers in a row that could not be used.
    var unusableInRow = 0
    var lastProgress: Duration
    private var inFlight = 0
    private var reserved: Batch?
    private var waiting: [AnsweredRows] = []
    /// Answered batches that the receiver is working on.
    private var handing = 0
    private var timerDue: Duration?

    init(
        of box: ProviderBlackBox, items: [EmbeddingItem], role: TextRole, until stop: StopSignal,
        answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        self.box = box
        self.items = items
        hasImages = items.contains { $0.image != nil }
        self.role = role
        self.stop = stop
        self.answered = answered
        prefix = box.identity.prefix(for: role)
        try await Self.readLessons(box)
        let form = try box.form(for: items, as: role, encoding: 0)
        costs = try box.costs(of: items, as: role, in: form)
        wordCounts = items.map { SilentTruncation.words(in: $0.text) }
        forms = try (0..<max(1, box.profile.request.encodings.count)).map {
            try box.form(for: items, as: role, encoding: $0)
        }
        schedule = BatchSchedule(
            costs: costs, limits: box.knowledge.current.limits, requestBytes: form.emptyLength)
        window = ConcurrencyWindow(maximum: box.options.maximumConcurrentRequests)
        lastProgress = box.time.now
        averageTokens = costs.reduce(0) { $0 + $1.tokens } / items.count
        try await box.require(
            requests: box.spending.limit.requests == nil ? 0 : schedule.remainingBatches,
            tokens: costs.reduce(0) { $0 + $1.maximumTokens })
    }

    private static func readLessons(_ box: ProviderBlackBox) async throws {
        guard !box.knowledge.current.hasReadLessons else { return }
        let lessons = try await box.ledger.lessons(account: box.exchange.account)
        let encodings = box.profile.request.encodings.count
        box.knowledge.update { facts in
            facts.hasReadLessons = true
            facts.limits = facts.limits.within(lessons)
            if let encoding = lessons.encoding, encoding < encodings { facts.encoding = encoding }
        }
    }

    /// Sends requests and hands over answers until everything is answered, the call has failed, or it is asked to stop.
    /// - Throws: ``ProviderError``; `CancellationError` if it was asked to stop, after the answers in flight are handed over.
    mutating func run() async throws {
        await withTaskGroup(of: Event.self) { group in
            group.addTask { [stop] in
                await stop.wait()
                return .stopped
            }
            while true {
                if stop.isRequested { failure = failure ?? CancellationError() }
                do {
                    try await sendWhatMay(&group)
                } catch {
                    failure = failure ?? error
                }
                handOver(&group)
                if failure != nil { reserved = nil }
                let isIdle = inFlight == 0 && reserved == nil && handing == 0 && waiting.isEmpty
                if isIdle, failure != nil || schedule.isExhausted { break }
                startTimer(&group)
                guard let event = await group.next() else { break }
                do {
                    try await take(event)
                } catch {
                    failure = failure ?? error
                }
            }
            group.cancelAll()  // timers that are no longer needed
        }
        if let failure { throw failure }
        if !refused.isEmpty { throw refusal }
    }

    var refusal: ProviderError {
        .textsRefused(endpoint: box.url, role: role, texts: refused.sorted { $0.position < $1.position })
    }

    // MARK: - Sending

    /// Requests that may be in flight now. If the first requests fail, it is one until the server has answered something, so that the same
    /// mistake is not sent many times.
    private var allowedInFlight: Int { answers == 0 && failuresInRow + refused.count > 0 ? 1 : window.limit }

    /// Sending waits while answers wait to be stored. A kill or a full disk then loses at most twice what may be in flight.
    private var mayAskMore: Bool {
        failure == nil && !stop.isRequested && inFlight < allowedInFlight && waiting.count + handing < window.maximum
    }

    private mutating func sendWhatMay(_ group: inout TaskGroup<Event>) async throws {
        while mayAskMore {
            guard let batch = reserved ?? schedule.next(at: box.time.now) else { return }
            guard let due = batch.due, reserved != nil else {
                reserved = try await reserve(batch)
                continue
            }
            let now = box.time.now
            if let end = schedule.pauseEnd(after: now), end > due {  // asked to pause since then
                reserved?.due = end
                return
            }
            guard due <= now, !stop.isRequested else { return }
            reserved = nil
            try await send(batch, &group)
        }
    }

    /// Reserves a batch in the ledger of the account. The batch may be sent when it is due.
    private func reserve(_ batch: Batch) async throws -> Batch {
        let requests = box.profile.limits.itemsAreRequests ? batch.items.count : 1
        let wait = try await box.reserve(requests: requests, tokens: tokens(of: batch))
        var batch = batch
        batch.due = box.time.now + wait
        return batch
    }

    private mutating func send(_ batch: Batch, _ group: inout TaskGroup<Event>) async throws {
        var batch = batch
        let facts = box.knowledge.current
        batch.encoding = facts.encoding
        // Images are read before anything is booked: an error of a file costs nothing.
        let contents = try contents(of: batch)
        let booking = try await box.book(batch.items.reduce(0) { $0 + costs[$1].maximumTokens })
        let (box, form, sent, number) = (box, forms[batch.encoding], batch, window.send())
        let dimension = facts.dimension.map {
            (expected: $0, why: box.identity.dimension == nil ? "were in earlier answers" : "were asked for")
        }
        group.addTask {
            .outcome(
                sent, await box.exchange.ask(form, items: contents, dimension: dimension), number: number,
                booking: booking
            )
        }
        inFlight += 1
    }

    /// The parts of each item of a batch.
    private func contents(of batch: Batch) throws -> [[String]] {
        let form = forms[batch.encoding]
        return try batch.items.map { try box.parts(of: items[$0], prefix: prefix, in: form) }
    }

    func tokens(of batch: Batch) -> Int { batch.items.reduce(0) { $0 + costs[$1].tokens } }

    /// Wakes the call when the next batch may be sent.
    private mutating func startTimer(_ group: inout TaskGroup<Event>) {
        guard mayAskMore, let due = reserved?.due ?? schedule.wakeTime,
            timerDue.map({ due < $0 }) ?? true
        else { return }
        timerDue = due
        let time = box.time
        group.addTask {
            try? await time.sleep(until: due)
            return .wake
        }
    }

    // MARK: - Handing over

    /// Gives answered rows to the receiver, one batch after the other, while requests go on.
    private mutating func handOver(_ group: inout TaskGroup<Event>) {
        guard handing == 0, !waiting.isEmpty else { return }
        handing = waiting.count
        let (rows, answered) = (waiting, answered)
        waiting = []
        group.addTask {
            var failure: (any Error)?
            for batch in rows {
                do {
                    try await answered(batch)
                } catch {
                    failure = failure ?? error  // the others are paid too
                }
            }
            return .handedOver(failure)
        }
    }

    private mutating func take(_ event: Event) async throws {
        switch event {
        case .wake: timerDue = nil
        case .stopped: failure = failure ?? CancellationError()
        case .handedOver(let error):
            handing = 0
            if let error { throw error }
        case .outcome(let batch, let outcome, let number, let booking):
            inFlight -= 1
            try await take(outcome, of: batch, number: number, booking: booking)
        }
    }

    /// Queues the usable rows of a batch for handing over.
    mutating func keep(_ vectors: EmbeddingAnswer.Vectors, of batch: Batch) {
        guard !vectors.items.isEmpty else { return }
        var rows = vectors.rows
        if box.identity.normalisation == .unit { rows = rows.normalizedRows().matrix }
        waiting.append(AnsweredRows(indices: vectors.items.map { batch.items[$0] }, vectors: rows))
    }

    /// Words of the texts of a batch. A server that counts fewer tokens has cut texts.
    func words(of batch: Batch) -> Int { batch.items.reduce(0) { $0 + wordCounts[$1] } }

    /// Bytes of the texts of a batch, prefixes included.
    func bytes(of batch: Batch) -> Int {
        batch.items.reduce(0) { $0 + items[$1].text.utf8.count + prefix.utf8.count }
    }
}
