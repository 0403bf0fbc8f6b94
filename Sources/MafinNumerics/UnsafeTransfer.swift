/// Carries a value to another thread that the compiler would not let go there.
///
/// Two uses are right: a pointer in the closure of a parallel loop whose indices touch disjoint parts of what it points to, and a value that
/// one task makes and hands to another without keeping it. The compiler cannot check either; the caller promises it.
package struct UnsafeTransfer<Value>: @unchecked Sendable {
    /// The carried value.
    package let value: Value

    /// Wraps `value`.
    package init(_ value: Value) {
        self.value = value
    }
}
