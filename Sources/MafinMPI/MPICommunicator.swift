import CMPI
import Foundation
import MafinMethod

/// Processes that were started by `mpirun`, `mpiexec` or `srun`.
///
/// The library is opened at run time: the one that fits the launcher, or the one that `MAFIN_MPI_LIBRARY` names. Calls come
/// from one thread at a time.
public final class MPICommunicator: Communicator {
    /// See ``Communicator``.
    public let rank: Int
    /// See ``Communicator``.
    public let count: Int

    private init() {
        rank = Int(mafin_mpi_rank())
        count = Int(mafin_mpi_count())
    }

    /// The name and version of the library that was opened.
    public static var library: String { String(cString: mafin_mpi_version()) }

    /// The processes of this run; a ``SingleProcess`` if no launcher has started several, or if `MAFIN_MPI` is `off`. To be
    /// called once.
    /// - Throws: `TrainingError.processes` if the library cannot be opened or is not the launcher's.
    public static func join(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> any Communicator {
        guard let launched = launched(environment) else { return SingleProcess() }
        var message = [CChar](repeating: 0, count: Int(MAFIN_MPI_MESSAGE))
        let library = environment["MAFIN_MPI_LIBRARY"].flatMap { $0.isEmpty ? nil : $0 }
        let code = message.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return Int32(1) }
            return library.map { mafin_mpi_open($0, base) } ?? mafin_mpi_open(nil, base)
        }
        guard code == 0 else {
            let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw TrainingError.processes(
                reason:
                    "\(text); install OpenMPI or MPICH, name the library in MAFIN_MPI_LIBRARY, or set MAFIN_MPI=off to train on one"
            )
        }
        let communicator = MPICommunicator()
        // Else every process would train alone, and all would write the same files.
        guard communicator.count > 1 else {
            throw TrainingError.processes(
                reason:
                    "the launcher started \(launched) processes, and \(Self.library) sees one: it is not the launcher's MPI; name the launcher's library in MAFIN_MPI_LIBRARY"
            )
        }
        return communicator
    }

    /// The number of processes that a launcher has started; `nil` for one.
    static func launched(_ environment: [String: String]) -> Int? {
        guard environment["MAFIN_MPI"] != "off" else { return nil }
        func several(_ name: String) -> Int? {
            environment[name].flatMap { Int($0) }.flatMap { $0 > 1 ? $0 : nil }
        }
        // 'srun --mpi=pmix' tells MPI no number, and all programs the step's.
        return several("OMPI_COMM_WORLD_SIZE") ?? several("PMI_SIZE")
            ?? (environment["PMIX_RANK"] == nil ? nil : several("SLURM_STEP_NUM_TASKS"))
    }

    /// Waits for all processes, and ends MPI.
    public static func end() { mafin_mpi_finalize() }

    /// Ends all processes of the run.
    public static func abort(status: Int32) -> Never {
        mafin_mpi_abort(status)
        exit(status)
    }

    private func require(_ code: Int32, _ call: String) throws {
        guard code == 0 else {
            throw TrainingError.processes(reason: "\(call) of \(Self.library) failed with code \(code)")
        }
    }

    /// See ``Communicator``.
    public func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        guard let base = values.baseAddress, !values.isEmpty else { return }
        try require(mafin_mpi_sum(base, Int64(values.count)), "the sum over processes")
    }

    /// See ``Communicator``.
    public func gather(_ bytes: UnsafeRawBufferPointer) throws -> [[UInt8]] {
        var lengths = [Int64](repeating: 0, count: count)
        let equal = [Int64](repeating: 8, count: count)
        try withUnsafeBytes(of: Int64(bytes.count)) { own in
            try require(mafin_mpi_gather(own.baseAddress, &lengths, equal), "gathering")
        }
        let total = Int(lengths.reduce(0, +))
        let all = try [UInt8](unsafeUninitializedCapacity: total) { buffer, initialized in
            // A pointer is wanted even for no bytes.
            var nothing: UInt8 = 0
            try withUnsafeMutableBytes(of: &nothing) { none in
                try require(
                    mafin_mpi_gather(
                        bytes.baseAddress ?? UnsafeRawPointer(none.baseAddress),
                        buffer.baseAddress.map { UnsafeMutableRawPointer($0) } ?? none.baseAddress, lengths),
                    "gathering")
            }
            initialized = total
        }
        var start = 0
        return lengths.map { length in
            defer { start += Int(length) }
            return Array(all[start..<start + Int(length)])
        }
    }

    /// See ``Communicator``.
    public func broadcast(_ bytes: [UInt8]) throws -> [UInt8] {
        var length = Int64(bytes.count)
        try require(mafin_mpi_broadcast(&length, 8), "sending")
        var all = isFirst ? bytes : [UInt8](repeating: 0, count: Int(length))
        if length > 0 { try require(mafin_mpi_broadcast(&all, length), "sending") }
        return all
    }
}
