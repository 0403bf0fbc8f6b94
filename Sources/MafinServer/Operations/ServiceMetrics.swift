import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// The metrics that `/metrics` reports.
package final class ServiceMetrics: Sendable {
    /// The parts of a request's time.
    enum Stage: String, Sendable {
        case tokenize, local
        case blackBox = "black_box"
        case standIn = "stand_in"
        case join, search
    }

    private static let seconds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private let requests = MetricFamily(
        "mafin_http_requests_total", .counter, "Requests answered, by path, method and status.",
        labels: ["path", "method", "status"])
    private let requestSeconds = MetricFamily(
        "mafin_http_request_duration_seconds", .histogram(bounds: seconds),
        "Time from a request's head to the last piece of its answer, by path.", labels: ["path"])
    private let refused = MetricFamily(
        "mafin_http_requests_refused_total", .counter, "Requests refused, by reason.", labels: ["reason"])
    private let inputs = MetricFamily("mafin_inputs_total", .counter, "Texts embedded, by role.", labels: ["role"])
    private let tokens = MetricFamily(
        "mafin_tokens_total", .counter,
        "Tokens of these texts as the local encoder reads them, by role. Without a local encoder a token is 4 bytes of UTF-8.",
        labels: ["role"])
    private let stageSeconds = MetricFamily(
        "mafin_stage_duration_seconds", .histogram(bounds: seconds),
        "Time of a request's stages; local and black_box run at the same time. They and stand_in include their queues.",
        labels: ["stage"])
    private let batches = MetricFamily("mafin_local_batches_total", .counter, "Batches of the local encoder.")
    private let batchSeconds = MetricFamily(
        "mafin_local_busy_seconds_total", .counter, "Time that the local encoder computed.")
    private let batchTokens = MetricFamily(
        "mafin_local_batch_tokens", .histogram(bounds: [16, 64, 256, 512, 1024, 2048, 4096, 16384]),
        "Tokens of the local encoder's batches.")
    private let calls = MetricFamily(
        "mafin_black_box_calls_total", .counter, "Calls to the black box, by outcome.", labels: ["outcome"])
    private let callTexts = MetricFamily("mafin_black_box_call_texts_total", .counter, "Texts of these calls.")
    private let callSeconds = MetricFamily(
        "mafin_black_box_call_duration_seconds", .histogram(bounds: seconds), "Time of these calls, retries included.")
    private let cache = MetricFamily(
        "mafin_black_box_texts_total", .counter,
        "Texts, by the source of their black-box vectors: the cache, or a request.",
        labels: ["source"])
    private let cost = MetricFamily(
        "mafin_black_box_cost_estimate_total", .counter,
        "Estimated cost of the texts sent to the black box, from the price given and the local encoder's count of tokens."
    )
    private let degraded = MetricFamily(
        "mafin_degraded_total", .counter, "Queries answered without the black box, because it was unavailable.")
    private let answers = MetricFamily(
        "mafin_queries_answered_total", .counter,
        "Searches and query vectors, by what answered: the black box, the stand-in, or other sources alone.",
        labels: ["by"])
    private let offline = MetricFamily("mafin_offline", .gauge, "1 if the black box is never asked.")
    private let reloads = MetricFamily(
        "mafin_reloads_total", .counter, "Reloads of the artefact, by outcome.", labels: ["outcome"])
    private let info = MetricFamily(
        "mafin_build_info", .gauge, "1, with what is served.", labels: ["version", "model", "artefact"])

    private let pricePerMillionTokens: Double?

    /// - Parameter pricePerMillionTokens: the black box's price, for the estimate of money.
    package init(pricePerMillionTokens: Double? = nil) {
        self.pricePerMillionTokens = pricePerMillionTokens
    }

    /// Counts texts whose vectors came from the cache, and texts that were sent to the black box.
    package func recordCache(hits: Int, asked: Int) {
        if hits > 0 { cache.add(Double(hits), "cache") }
        guard asked > 0 else { return }
        cache.add(Double(asked), "asked")
        if let pricePerMillionTokens {
            let texts = inputs.value("query") + inputs.value("document")
            let mean = (tokens.value("query") + tokens.value("document")) / max(texts, 1)
            cost.add(Double(asked) * mean / 1e6 * pricePerMillionTokens)
        }
    }

    func recordStage(_ stage: Stage, since start: ContinuousClock.Instant) {
        stageSeconds.observe((ContinuousClock.now - start).inSeconds, stage.rawValue)
    }

    func recordInputs(_ role: TextRole, texts: Int, tokens count: Int) {
        inputs.add(Double(texts), role.rawValue)
        tokens.add(Double(count), role.rawValue)
    }

    func recordBatch(rows: Int, tokens: Int, seconds: Double) {
        batches.add()
        batchSeconds.add(seconds)
        batchTokens.observe(Double(tokens))
    }

    func recordCall(texts: Int, seconds: Double, failure: UpstreamFailure.Kind?) {
        let outcome =
            switch failure {
            case nil: "answered"
            case .unavailable: "unavailable"
            case .refused: "refused"
            case .overBudget: "over_budget"
            case .textRefused, .unknownText: "text_refused"
            }
        calls.add(1, outcome)
        callTexts.add(Double(texts))
        callSeconds.observe(seconds)
    }

    func recordDegraded() { degraded.add() }

    func recordAnswer(_ answeredBy: ServedModel.AnsweredBy?, count: Int = 1) {
        let by =
            switch answeredBy {
            case .blackBox: "black_box"
            case .standIn: "stand_in"
            case nil: "other_sources"
            }
        answers.add(Double(count), by)
    }

    func recordReload(_ succeeded: Bool) { reloads.add(1, succeeded ? "succeeded" : "failed") }

    func recordRequest(path: String, method: String, status: Int, seconds: Double, reason: String?) {
        requests.add(1, path, method, String(status))
        requestSeconds.observe(seconds, path)
        if let reason { refused.add(1, reason) }
    }

    func describe(_ model: ServedModel) {
        offline.set(model.isOffline ? 1 : 0)
        info.set(1, LibraryVersion.current.version, model.name, String(model.hash.prefix(12)))
    }

    /// All metrics in Prometheus' text format.
    /// - Parameter namesArtefact: whether to say which artefact is served.
    func text(
        requestsInFlight: Int, queueTokens: Int, searches: Int, cache figures: CacheFigures?,
        spending: SpendingFigures?, namesArtefact: Bool
    ) -> String {
        var text = ""
        for family in (namesArtefact ? [info] : []) + [
            requests, requestSeconds, refused, inputs, tokens, stageSeconds, batches, batchSeconds,
            batchTokens, calls, callTexts, callSeconds, cache, answers, degraded, offline, reloads,
        ] {
            family.write(to: &text)
        }
        func write(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: some BinaryInteger) {
            write(name, kind, help, Double(value))
        }
        func write(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double) {
            MetricFamily.write(name, kind, help, value, to: &text)
        }
        write(
            "mafin_http_requests_in_flight", .gauge, "Requests being answered, up to the last piece of the answer.",
            requestsInFlight)
        write(
            "mafin_local_queue_tokens", .gauge, "Tokens that wait for the local encoder or are computed.", queueTokens)
        write("mafin_searches", .gauge, "Searches that wait or run.", searches)
        if let figures {
            write("mafin_cache_bytes", .gauge, "Size of the cache's file, its log included.", figures.bytes)
            write(
                "mafin_cache_write_failures_total", .counter,
                "Writes to the cache that failed; the answers were delivered.",
                figures.writeFailures)
            write(
                "mafin_cache_evicted_vectors_total", .counter, "Vectors of queries removed for want of room.",
                figures.evictedVectors)
        }
        if let spending {
            write(
                "mafin_black_box_spent_today", .gauge,
                "Money spent on the black box since midnight UTC, by all users of the same cache.", spending.today)
            if let limit = spending.limitPerDay {
                write(
                    "mafin_black_box_budget_today", .gauge, "Money that may be spent on the black box on one day.",
                    limit)
            }
        }
        if pricePerMillionTokens != nil { cost.write(to: &text) }
        ProcessMetrics.write(to: &text)
        return text
    }
}

/// The metrics of the process that Prometheus' client libraries also report.
enum ProcessMetrics {
    private static let start = Date().timeIntervalSince1970

    /// Called when the service begins, so that its start is known.
    static func begin() { _ = start }

    static func write(to text: inout String) {
        func line(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double) {
            MetricFamily.write(name, kind, help, value, to: &text)
        }
        line("process_start_time_seconds", .gauge, "Start of the process, in seconds since 1970.", start)
        // clock(3) counts microseconds on every POSIX system.
        line("process_cpu_seconds_total", .counter, "Time on all cores, user and system.", Double(clock()) * 1e-6)
        if let resident = residentBytes() {
            line(
                "process_resident_memory_bytes", .gauge, "Memory that is in use, mapped files included.",
                Double(resident))
        }
        if let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
            line("process_open_fds", .gauge, "Open files and connections.", Double(files))
        }
    }

    /// Resident memory in bytes; `nil` if the system does not tell it.
    static func residentBytes() -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
