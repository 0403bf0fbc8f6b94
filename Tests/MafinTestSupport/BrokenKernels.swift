import Synchronization

/// The checks of kernels leave their findings in the process, and `mafin_break_kernels` makes them find faults. Tests that do so take turns.
public enum BrokenKernels {
    /// Held by the test whose turn it is.
    public static let turn = Mutex(())
}
