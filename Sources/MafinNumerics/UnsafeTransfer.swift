/// Carries a pointer, or what holds pointers, into the closure of a parallel loop.
///
/// The loop's indices write to disjoint parts of the memory, and its owner waits for the loop to end. The compiler cannot check that; the
/// caller promises it. What one task makes and hands to another needs no such promise: a `sending` result is checked.
package struct UnsafeTransfer<Value>: @unchecked Sendable {
    /// The carried value.
    package let value: Value

    /// Wraps `value`.
    package init(_ value: Value) {
        self.value = value
    }
}
