/// Carries a pointer into the closure of a parallel loop whose indices touch disjoint parts of what it points to.
///
/// The compiler cannot see that the parts are disjoint; whoever makes one of these promises it.
public struct UnsafeTransfer<Value>: @unchecked Sendable {
    /// The carried value.
    public let value: Value

    /// Wraps `value`.
    public init(_ value: Value) {
        self.value = value
    }
}
