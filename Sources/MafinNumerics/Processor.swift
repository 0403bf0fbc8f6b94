import CMafinKernels
import Foundation

/// What the processor can do, and which part of it the kernels use.
public enum Processor {
    /// The environment variable that names the instruction set to use instead of the widest.
    public static let variable = "MAFIN_INSTRUCTION_SET"

    /// Names of the instruction sets that can be used, from the one that every processor of the architecture has to the widest.
    public static var instructionSets: [String] {
        (0..<mafin_instruction_sets()).map { String(cString: mafin_instruction_set_name($0)) }
    }

    /// The name of the instruction set that the kernels use.
    public static var instructionSet: String { String(cString: mafin_instruction_set_name(mafin_instruction_set())) }

    /// Whether products of bfloat16 have instructions of their own, which make them faster than single precision.
    public static var multipliesBFloat16: Bool { mafin_bfloat16_is_fast() }

    /// Names of the kernels for products of bfloat16 and of bytes; `portable` where the processor has no instructions for them.
    public static var productKernels: (bfloat16: String, int8: String) {
        (String(cString: mafin_bfloat16_kernel_name()), String(cString: mafin_int8_kernel_name()))
    }

    /// Checks the variable ``variable``. A program calls it before it computes anything.
    /// - Throws: ``NumericsError/instructionSet(source:name:available:isKnown:)`` if the variable names a set that does not exist or that
    ///   this processor lacks.
    public static func checkInstructionSet() throws {
        let name = ProcessInfo.processInfo.environment[variable] ?? ""
        try check(mafin_instruction_set_variable(), name, from: variable)
    }

    /// Makes the process use the named set and nothing wider. To be called before anything is computed.
    /// - Parameter source: where the name comes from, for the error.
    /// - Throws: as ``checkInstructionSet()``.
    public static func limitInstructionSet(to name: String, source: String = "--instruction-set") throws {
        try check(mafin_limit_instruction_set(name), name, from: source)
    }

    private static func check(_ choice: mafin_set_choice, _ name: String, from source: String) throws {
        guard choice != MAFIN_SET_CHOSEN else { return }
        throw NumericsError.instructionSet(
            source: source, name: name, available: instructionSets, isKnown: choice == MAFIN_SET_MISSING)
    }

    /// A sentence for each kernel that computed wrong numbers when it was first used, so that another is used. Each is returned once.
    public static func kernelWarnings() -> [String] {
        var warnings: [String] = []
        while let warning = mafin_next_kernel_warning() { warnings.append(String(cString: warning)) }
        return warnings
    }

    /// The same sentences, each once, as often as this is asked, in the order in which the faults were found.
    public static var kernelFaults: [String] {
        var faults: [String] = []
        var number: Int32 = 0
        while let fault = mafin_kernel_warning(number) {
            let text = String(cString: fault)
            // Two threads may find the same fault at the same time.
            if !faults.contains(text) { faults.append(text) }
            number += 1
        }
        return faults
    }

    /// Checks the kernels for products of bfloat16 and of bytes now, not at their first use.
    public static func checkKernels() { _ = productKernels }
}
