/// The trace that calls to a black box belong to, in the format of the W3C header `traceparent`.
///
/// A service sets it for each request that it answers; HTTP clients of black boxes send it on. If texts of several requests
/// share one call, the call carries the trace of one of them.
package enum OutgoingTrace {
    /// The header's value; `nil`: no trace.
    @TaskLocal package static var header: String?
}
