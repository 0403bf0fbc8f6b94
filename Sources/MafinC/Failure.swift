import CMafin
import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinText

/// A mistake in what a caller passed.
struct ArgumentFault: Error {
    let status: Int
    let reason: String

    init(_ reason: String, status: Int = Int(MAFIN_INVALID_ARGUMENT)) { (self.reason, self.status) = (reason, status) }
}

/// Runs the body of a function of the interface.
/// - Returns: `MAFIN_OK`, or the status of what `body` threw, which is also written to `error`.
func answer(
    _ error: UnsafeMutablePointer<mafin_error>?, counting counters: SharedCounters? = nil, _ body: () throws -> Void
) -> mafin_status {
    do {
        try body()
        return mafin_status(MAFIN_OK)
    } catch let thrown {
        counters?.failed()
        let (status, message) = describe(thrown)
        if let error { write(status, message, to: error) }
        return status
    }
}

private func describe(_ error: any Error) -> (mafin_status, String) {
    let kind: (Int, String) =
        switch error {
        case let fault as ArgumentFault: (fault.status, fault.reason)
        case is CancellationError: (Int(MAFIN_CANCELLED), "the progress callback asked to end")
        case let error as SharedModelError: (error.status, "\(error)")
        case let error as ArtefactError: (error.status, "\(error)")
        case let error as IndexError: (error.status, "\(error)")
        case let error as CombinationError: (error.status, "\(error)")
        case let error as ModelError: (Int(MAFIN_NOT_FOUND), "\(error)")
        case NumericsError.instructionSet: (Int(MAFIN_INVALID_ARGUMENT), "\(error)")
        case is NumericsError, is EncoderError, is TokenizerError, is RetrievalError: (Int(MAFIN_BAD_FILE), "\(error)")
        default: (Int(MAFIN_OTHER), "\(error)")
        }
    return (mafin_status(kind.0), kind.1)
}

extension SharedModelError {
    fileprivate var status: Int {
        switch self {
        case .notAModel: Int(MAFIN_NOT_FOUND)
        case .blackBoxMissing: Int(MAFIN_NEEDS_BLACK_BOX)
        case .unsupported: Int(MAFIN_UNSUPPORTED)
        case .argument: Int(MAFIN_INVALID_ARGUMENT)
        case .noDocument: Int(MAFIN_NOT_FOUND)
        }
    }
}

extension ArtefactError {
    fileprivate var status: Int {
        switch self {
        case .notAnArtefact: Int(MAFIN_NOT_FOUND)
        case .noSourceLeft: Int(MAFIN_NEEDS_BLACK_BOX)
        case .noStandIn: Int(MAFIN_UNSUPPORTED)
        // Files of an artefact have been checked by now, so these are the vectors of the caller.
        case .dimension(_, of: "the black box", _, _): Int(MAFIN_INVALID_ARGUMENT)
        default: Int(MAFIN_BAD_FILE)
        }
    }
}

extension IndexError {
    fileprivate var status: Int {
        switch self {
        case .notAnIndex: Int(MAFIN_NOT_FOUND)
        case .normForm: Int(MAFIN_UNSUPPORTED)
        default: Int(MAFIN_BAD_FILE)
        }
    }
}

extension CombinationError {
    fileprivate var status: Int {
        switch self {
        case .zeroVector, .notFinite: Int(MAFIN_BAD_VECTOR)
        case .rowCount, .identifierCount: Int(MAFIN_INVALID_ARGUMENT)
        }
    }
}

private func write(_ status: mafin_status, _ message: String, to error: UnsafeMutablePointer<mafin_error>) {
    error.pointee.status = status
    withUnsafeMutableBytes(of: &error.pointee.message) { room in
        // A zero byte inside would end the message. A path or an identifier may hold one.
        var bytes = Array(message.utf8).map { $0 == 0 ? UInt8(ascii: " ") : $0 }
        if bytes.count > room.count - 1 {
            bytes.removeSubrange((room.count - 1)...)
            // Not in the middle of a character.
            while let last = bytes.last, last & 0b1100_0000 == 0b1000_0000 { bytes.removeLast() }
            if let last = bytes.last, last & 0b1100_0000 == 0b1100_0000 { bytes.removeLast() }
        }
        room.copyBytes(from: bytes)
        room[bytes.count] = 0
    }
}
