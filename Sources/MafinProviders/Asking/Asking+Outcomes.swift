import Logging
import MafinBlackBox
import MafinNumerics

extension Asking {
    /// Applies the outcome of one request to the call.
    mutating func take(
        _ outcome: Exchange.Outcome, of batch: Batch, number: Int, booking: Spending.Booking
    ) async throws {
        var failure: (any Error)?
        do {
            try await box.settle(booking, actual: paid(outcome, booked: booking.tokens))
            let reserved = tokens(of: batch)
            let counted = outcome.tokens(booked: reserved)
            if counted != reserved { try await box.correct(tokens: counted - reserved) }
        } catch {
            failure = error
        }
        switch outcome {
        case .answered(let vectors, let rates):
            answers += 1
            answeredTexts += vectors.items.count
            (failuresInRow, unusableInRow) = (0, 0)
            lastProgress = box.time.now
            window.answered()
            try take(vectors, of: batch)
            respect(rates)
        case .noVectors where box.knowledge.current.hasGivenVectors:
            try takeUnusable(batch, reason: noVectorsReason(batch), isPage: false)
        case .noVectors:
            try await changeEncoding(
                after: batch, or: .badAnswer(endpoint: box.url, reason: noVectorsReason(batch)))
        case .unusable(let reason, let isPage): try takeUnusable(batch, reason: reason, isPage: isPage)
        case .cancelled: throw CancellationError()
        case .unreachable(let reason, _):
            failuresInRow += 1
            try retry(batch, reason: reason, status: nil)
        case .complaint(let complaint, let rates):
            try await take(complaint, of: batch, rates: rates, number: number)
        }
        // A paid answer is handed over even if the ledger cannot be written.
        if let failure { throw failure }
    }

    /// Ends the call if the server has never given a vector, because it is no embedding server. Otherwise the batch is sent again. A web page of
    /// a proxy counts as a failure that no text has caused. After a second unusable answer, the batch is halved to find the text at fault.
    private mutating func takeUnusable(_ given: Batch, reason: String, isPage: Bool) throws {
        unusableInRow += 1
        guard box.knowledge.current.hasGivenVectors, unusableInRow < box.retry.maximumAttempts else {
            throw ProviderError.badAnswer(endpoint: box.url, reason: reason)
        }
        if isPage { return try retry(given, reason: "unusable answer: \(reason)", status: nil) }
        var batch = given
        guard batch.wasUnusable else {
            batch.wasUnusable = true
            let wait = box.retry.delay(afterFailures: unusableInRow)
            log(batch, reason: "unusable answer: \(reason)", wait: wait)
            schedule.retry(batch, due: box.time.now + wait)
            return
        }
        guard batch.items.count > 1 else { return try refuse(batch.items[0], .unusableVector, reason) }
        bisect(batch, "unusable answer again, looking for the text at fault", ["reason": "\(reason)"])
    }

    private mutating func bisect(_ batch: Batch, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        box.logger?.notice(message, metadata: metadata.merging(["texts": "\(batch.items.count)"]) { $1 })
        schedule.bisect(batch)
    }

    private func noVectorsReason(_ batch: Batch) -> String {
        let asked = box.profile.request.encodings.prefix(batch.encoding + 1).filter { !$0.isEmpty }
        return "no vectors in it" + (asked.count > 1 ? ", tried as \(asked.joined(separator: " and as "))" : "")
    }

    // MARK: - Answers

    private mutating func take(_ vectors: EmbeddingAnswer.Vectors, of batch: Batch) throws {
        if let tokens = vectors.tokens, tokens > 0 { noteTokens(tokens, of: batch) }
        if !vectors.items.isEmpty {
            let expected = box.knowledge.update { facts -> Int in
                let expected = facts.dimension ?? vectors.rows.columns
                facts.dimension = expected
                facts.hasGivenVectors = true
                return expected
            }
            guard expected == vectors.rows.columns else {
                // Two first answers arrived together, and their vectors differ in length.
                throw ProviderError.badVector(
                    endpoint: box.url, id: items[batch.items[0]].id,
                    reason: "\(vectors.rows.columns) numbers where \(expected) were in earlier answers")
            }
        }
        keep(vectors, of: batch)
        guard let first = vectors.faults.first else { return }
        if let fault = vectors.faults.first(where: \.isDimension)
            ?? (vectors.items.isEmpty && batch.items.count > 1 ? first : nil)
        {
            throw ProviderError.badVector(
                endpoint: box.url, id: items[batch.items[fault.item]].id, reason: fault.reason)
        }
        for fault in vectors.faults {
            leaveOut(batch.items[fault.item], .unusableVector, fault.reason)
        }
        if areTooManyRefused { throw refusal }
    }

    /// Whether many texts are refused, and more than are answered. Then something other than the texts is wrong.
    private var areTooManyRefused: Bool {
        refused.count >= Self.maximumRefusedTexts && refused.count > answeredTexts
    }

    /// - Throws: ``refusal`` if too many are refused.
    private mutating func refuse(_ item: Int, _ reason: RefusedText.Reason, _ message: String) throws {
        leaveOut(item, reason, message)
        if areTooManyRefused { throw refusal }
    }

    private mutating func leaveOut(_ item: Int, _ reason: RefusedText.Reason, _ message: String) {
        refused.append(RefusedText(position: item, id: items[item].id, reason: reason, message: message))
        box.logger?.warning(
            "one text has no vector; others continue", metadata: ["id": "\(items[item].id)", "reason": "\(message)"])
    }

    /// Tokens that a request has cost. If images have a price of their own, an answered request costs what was booked.
    private func paid(_ outcome: Exchange.Outcome, booked: Int) -> Int {
        if case .answered = outcome, box.paysPerImage, hasImages { return booked }
        return outcome.tokens(booked: booked)
    }

    private func noteTokens(_ tokens: Int, of batch: Batch) {
        // Their tokens say nothing about the bytes of texts.
        guard !hasImages else { return }
        let (bytes, words) = (bytes(of: batch), words(of: batch))
        let isNew = box.knowledge.update { facts -> Bool in
            facts.answeredBytes += bytes
            facts.answeredTokens += tokens
            guard SilentTruncation.isCertain(words: words, tokens: tokens), !facts.warnedOfTruncation else {
                return false
            }
            facts.warnedOfTruncation = true
            return true
        }
        guard isNew, let longest = batch.items.max(by: { items[$0].text.utf8.count < items[$1].text.utf8.count }) else {
            return
        }
        box.logger?.warning(
            "the server cuts long texts without an error: it counted fewer tokens than there are words",
            metadata: [
                "tokens": "\(tokens)", "words": "\(words)", "longest": "\(items[longest].id)", "url": "\(box.url)",
            ])
    }

    /// Pauses before the account's rate limit is reached, so that the server does not have to refuse.
    private mutating func respect(_ rates: RateHeaders) {
        let next = min(schedule.limits.tokens, averageTokens * schedule.limits.items)
        guard !schedule.isExhausted, let pause = rates.pause(beforeTokens: next),
            pause <= box.retry.longestServerDelay
        else { return }
        schedule.pause(until: box.time.now + pause)
    }

    // MARK: - Complaints

    private mutating func take(
        _ complaint: ServerComplaint, of batch: Batch, rates: RateHeaders, number: Int
    ) async throws {
        var verdict = complaint.verdict(box.profile.errors)
        if let shouldRetry = rates.shouldRetry, verdict == .retry || verdict == .final {
            verdict = shouldRetry ? .retry : .final
        }
        switch verdict {
        case .retry:
            failuresInRow += 1
            if [429, 503, 529].contains(complaint.status) { window.overloaded(number: number) }
            let reason = "\(complaint.status) \(complaint.message)"
            if let delay = complaint.retryDelay {
                try await comeBack(batch, after: delay, reason: reason)
            } else {
                try retry(batch, reason: reason, status: complaint.status)
            }
        case .tooLarge(let cause): try await shrink(batch, cause, complaint)
        case .noEncoding: try await changeEncoding(after: batch, or: refusal(complaint))
        case .refused:
            failuresInRow += 1
            guard batch.items.count > 1 else {
                leaveOut(batch.items[0], .refused, complaint.message)
                let doubtful = answers == 0 && refused.count >= Self.refusalsBeforeDoubt
                if doubtful || (items.count == 1 && answers == 0) { throw refusal(complaint) }
                if areTooManyRefused { throw refusal }
                return
            }
            bisect(batch, "batch refused, looking for the text at fault", ["message": "\(complaint.message)"])
        case .final: throw refusal(complaint)
        }
    }

    private func refusal(_ complaint: ServerComplaint) -> ProviderError {
        .refused(endpoint: box.url, status: complaint.status, message: complaint.message)
    }

    private mutating func shrink(
        _ batch: Batch, _ cause: BatchLimits.Cause, _ complaint: ServerComplaint
    ) async throws {
        guard schedule.shrink(batch, because: cause, named: complaint.namedLimit) else {
            return try refuse(batch.items[0], .tooLong, complaint.message)
        }
        let (limits, before) = (schedule.limits, box.knowledge.current.limits)
        box.logger?.notice(
            "request too large for the server, cut",
            metadata: ["texts": "\(batch.items.count)", "message": "\(complaint.message)"])
        guard limits != before else { return }
        box.knowledge.update { $0.limits = limits }
        try await remember()
    }

    private mutating func changeEncoding(after batch: Batch, or error: ProviderError) async throws {
        let encodings = box.profile.request.encodings
        guard batch.encoding + 1 < encodings.count else { throw error }
        let isNews = box.knowledge.update { facts -> Bool in
            guard facts.encoding == batch.encoding else { return false }
            facts.encoding += 1
            return true
        }
        schedule.retry(batch)
        guard isNews else { return }
        box.logger?.warning(
            "the server does not support the encoding; trying the next",
            metadata: ["url": "\(box.url)", "encoding": "\(encodings[batch.encoding])"])
        try await remember()
    }

    /// Stores the limits learned from the server, for later runs.
    private func remember() async throws {
        let (facts, stated) = (box.knowledge.current, box.options.limits.within(box.profile.limits))
        try await box.ledger.remember(
            ServerLessons(
                items: facts.limits.items < stated.items ? facts.limits.items : nil,
                tokens: facts.limits.tokens < stated.tokens ? facts.limits.tokens : nil,
                bytes: facts.limits.bytes < stated.bytes ? facts.limits.bytes : nil,
                encoding: facts.encoding > 0 ? facts.encoding : nil),
            account: box.exchange.account)
    }

    // MARK: - Asking again

    /// The server named a time for the next attempt. Until then, nobody who shares the account sends anything.
    private mutating func comeBack(_ batch: Batch, after delay: Duration, reason: String) async throws {
        let (policy, now) = (box.retry, box.time.now)
        func unavailable(_ attempts: Int, _ note: String) -> ProviderError {
            .unavailable(endpoint: box.url, attempts: attempts, reason: "\(reason) (\(note))", retryAfter: delay)
        }
        guard delay <= policy.longestServerDelay else {
            throw unavailable(batch.failures + 1, "asks for a pause of \(delay.logText)")
        }
        let silence = now - lastProgress
        guard silence + delay <= policy.patience else {
            throw unavailable(failuresInRow, "nothing was answered for \(silence.logText)")
        }
        let wait = RetryPolicy.delay(asked: delay)
        log(batch, reason: reason, wait: wait)
        schedule.retry(batch)
        schedule.pause(until: now + wait)
        try await box.pause(for: wait)
    }

    /// The server named no time. The batch is sent again after a pause that doubles, a limited number of times.
    private mutating func retry(_ given: Batch, reason: String, status: Int?) throws {
        let policy = box.retry
        var batch = given
        batch.failures += 1
        let before = batch.answersBeforeFailure ?? answers
        batch.answersBeforeFailure = before
        // Other batches are answered while this one fails repeatedly, so one of its texts probably makes the server fail.
        let isAlone = status.map { $0 >= 500 || $0 == 424 } ?? false && answers > before
        if isAlone, batch.failures >= 3, batch.items.count > 1 {
            return bisect(
                batch, "batch fails while others are answered, looking for the text at fault", ["reason": "\(reason)"])
        }
        guard batch.failures < policy.maximumAttempts else {
            guard isAlone, batch.items.count == 1 else {
                throw ProviderError.unavailable(endpoint: box.url, attempts: batch.failures, reason: reason)
            }
            return try refuse(batch.items[0], .refused, reason)
        }
        let wait = policy.delay(afterFailures: batch.failures)
        log(batch, reason: reason, wait: wait)
        schedule.retry(batch, due: box.time.now + wait)
        if status != 500 || failuresInRow > 1 { schedule.pause(until: box.time.now + wait) }
    }

    private func log(_ batch: Batch, reason: String, wait: Duration) {
        box.logger?.warning(
            "asking again",
            metadata: ["reason": "\(reason)", "after": "\(wait.logText)", "failures": "\(batch.failures)"])
    }
}

/// Recognises that a server has cut texts silently, by the number of tokens that it reports.
enum SilentTruncation {
    /// Words of a text: runs of bytes between ASCII white space. A tokenizer makes at least one token of each.
    static func words(in text: String) -> Int {
        var count = 0
        var inWord = false
        for byte in text.utf8 {
            let isSpace = byte == 0x20 || (0x09...0x0D).contains(byte)
            if !isSpace, !inWord { count += 1 }
            inWord = !isSpace
        }
        return count
    }

    /// Whether clearly fewer tokens than words were counted. A small difference proves nothing: some servers do not count special tokens.
    static func isCertain(words: Int, tokens: Int) -> Bool { words > 32 && Double(tokens) < 0.9 * Double(words) }
}
