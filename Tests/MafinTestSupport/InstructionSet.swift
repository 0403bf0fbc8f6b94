import CMafinKernels
import MafinNumerics

/// An instruction set that this processor can run the kernels on, as an argument of their tests.
public struct InstructionSet: Sendable, CustomStringConvertible {
    private let number: Int32

    /// All instruction sets of this processor, from the baseline of the architecture to the widest.
    public static let all = (0..<mafin_instruction_sets()).map { InstructionSet(number: $0) }

    /// The name, such as `AVX2`.
    public var description: String { String(cString: mafin_instruction_set_name(number)) }

    /// Runs `body` with the kernels on this instruction set. The choice holds for the calling thread, so loops in `body` run on
    /// one thread; it must not set their number.
    public func run<Result>(_ body: () throws -> Result) rethrows -> Result {
        mafin_use_instruction_set(number)
        defer { mafin_use_instruction_set(-1) }
        precondition(mafin_instruction_set() == number)
        return try Parallelism.withThreads(1, body)
    }
}
