import Foundation
import Testing

@testable import MafinNumerics

@Suite struct MachineMemoryTests {
    @Test func limitsOfControlGroups() {
        #expect(MachineMemory.limit(in: "536870912\n") == 512 << 20)
        // For "no limit", version 1 has a number that is larger than any machine's memory.
        #expect(MachineMemory.limit(in: "9223372036854771712\n") == 9_223_372_036_854_771_712)
        for text in ["max\n", "", "-1", "0", "a lot", nil] { #expect(MachineMemory.limit(in: text) == nil) }
    }

    @Test func noMoreThanTheMachineHas() {
        #expect(MachineMemory.bytes > 0 && MachineMemory.bytes <= ProcessInfo.processInfo.physicalMemory)
    }
}
