/// The trace that calls to a black box belong to, as the W3C header `traceparent` writes it.
///
/// A service sets it for each request that it answers; HTTP clients of black boxes send it on. Texts of several requests that go into one call
/// together bear the trace of one of them.
package enum OutgoingTrace {
    /// The header's value; `nil`: no trace.
    @TaskLocal package static var header: String?
}
