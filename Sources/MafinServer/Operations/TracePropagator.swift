import Tracing

/// Passes a request's trace on to the black box: the HTTP client puts `traceparent` into every call that is made for it.
///
/// Records no spans of its own; what collects them reads the log, which has the trace's id in every line. Texts of several requests that
/// go into one call together bear the trace of the first.
public struct TracePropagator: Tracer {
    /// Keeps a context and records nothing.
    public typealias Span = NoOpTracer.NoOpSpan

    /// A propagator.
    public init() {}

    /// Makes it the process's own. To be called once, before the first HTTP client is made.
    public static func install() { InstrumentationSystem.bootstrap(TracePropagator()) }

    enum Key: ServiceContextKey {
        typealias Value = RequestTrace
        static let nameOverride: String? = "traceparent"
    }

    /// A span that records nothing, in the given context.
    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> NoOpTracer.NoOpSpan {
        NoOpTracer.NoOpSpan(context: context())
    }

    /// Does nothing: there is nothing to flush.
    public func forceFlush() {}

    /// Writes `traceparent` where the context belongs to a request.
    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context[Key.self] else { return }
        injector.inject(trace.header, forKey: "traceparent", into: &carrier)
    }

    /// Reads nothing: the service reads the header of each request itself.
    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {}
}
