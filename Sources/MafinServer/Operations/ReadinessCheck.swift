import HTTPTypes
import MafinBlackBox
import MafinNumerics
import Synchronization

/// Whether an artefact can be served.
struct Readiness: Sendable {
    /// `ok`, or why the local encoder does not work; `nil` if no source is one.
    var local: String?
    /// The same of the stand-in; `nil` if the service does not use one.
    var standIn: String?
    /// Whether both work, as far as they are there.
    var areEncodersWell: Bool
    /// Why the black box cannot be asked; `nil` if it can, or if no source needs it.
    var blackBox: UpstreamFailure?
    /// The state of the cache; `nil` if there is none.
    var cache: CacheFigures?
    /// Whether queries are answered without the black box.
    var degrades: Bool

    var isReady: Bool { areEncodersWell && (blackBox == nil || degrades) }
    var status: String {
        isReady ? (blackBox == nil && cache?.isWritable != false ? "ready" : "degraded") : "not ready"
    }

    /// What `/readyz` says about the cache.
    var cacheText: String? {
        cache.map {
            $0.isWritable ? "ok" : "it cannot be written: vectors are delivered, but they must be paid for again later"
        }
    }
}

/// Finds out whether an artefact can be served by using it, at most once a second. In between it gives the last result.
///
/// The local encoder and the stand-in embed a word in the queue of all requests. A full queue shows that it is busy, not that it is broken.
/// ``BlackBoxProbe`` asks the black box.
final class ReadinessCheck: Sendable {
    private struct State {
        var last: Readiness?
        var found = ContinuousClock.now
        var running: Task<Readiness, Never>?
    }

    private let engine: LocalEngine?
    private let standIn: LocalEngine?
    private let probe: BlackBoxProbe?
    private let cache: (@Sendable () -> CacheFigures)?
    private let degrades: Bool
    private let log: ServiceLog
    private let state = Mutex(State())

    /// - Parameters:
    ///   - engine: `nil` without a local encoder.
    ///   - standIn: `nil` if the service uses no stand-in.
    ///   - probe: `nil` if the black box is never asked.
    init(
        _ engine: LocalEngine?, standIn: LocalEngine? = nil, _ probe: BlackBoxProbe?,
        cache: (@Sendable () -> CacheFigures)?, degrades: Bool,
        log: ServiceLog
    ) {
        (self.engine, self.standIn, self.probe, self.cache) = (engine, standIn, probe, cache)
        (self.degrades, self.log) = (degrades, log)
    }

    func now() async -> Readiness {
        let (last, running) = state.withLock { state -> (Readiness?, Task<Readiness, Never>?) in
            if let last = state.last, ContinuousClock.now - state.found < .seconds(1) { return (last, nil) }
            let running = state.running ?? Task { await self.find() }
            state.running = running
            return (nil, running)
        }
        if let last { return last }
        // One of the two is set.
        guard let running else { return await find() }
        return await running.value
    }

    private func find() async -> Readiness {
        async let remote = probe?.failure()
        let local = await Self.state(of: engine)
        let estimating = await Self.state(of: standIn)
        let found = Readiness(
            local: local.text, standIn: estimating.text, areEncodersWell: local.isWell && estimating.isWell,
            blackBox: await remote, cache: cache?(), degrades: degrades)
        // The encoders have computed something now, so the kernels have been checked.
        for warning in Processor.kernelWarnings() { log.note(warning, level: "warning") }
        let before = state.withLock { state in
            defer { (state.last, state.found, state.running) = (found, .now, nil) }
            return state.last
        }
        if before?.status ?? "ready" != found.status {
            log.record(
                "readiness", level: found.isReady ? "info" : "error",
                [
                    ("status", .text(found.status)), ("local", .text(found.local ?? "none")),
                    ("stand_in", .text(found.standIn ?? "none")),
                    ("black_box", .text(found.blackBox.map { $0.detail.clipped(to: 500) } ?? "ok")),
                ] + (found.cacheText.map { [("cache", .text($0))] } ?? []))
        }
        return found
    }

    private static func state(of engine: LocalEngine?) async -> (isWell: Bool, text: String?) {
        guard let engine else { return (true, nil) }
        let batch = engine.reader(.query).probe
        do {
            _ = try await withDeadline(.seconds(5)) {
                try await engine.embed(batch, as: .query)
            } late: {
                ServiceError(.serviceUnavailable, .unavailable, "no vector within 5 s", code: "late")
            }
            return (true, "ok")
        } catch let error as ServiceError where ["queue_full", "late"].contains(error.code) && !engine.isStuck {
            return (true, "busy: \(error)")
        } catch {
            return (false, "\(error)".clipped(to: 200))
        }
    }
}
