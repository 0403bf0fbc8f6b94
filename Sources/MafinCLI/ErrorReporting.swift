import ArgumentParser
import Foundation

/// What the user sees of an error: one line, and how the process ends.
struct ErrorReport: Equatable {
    var message: String
    var status: CommandStatus

    /// The report of any error that a command threw. Exit codes and usage errors of the argument parser are not for this.
    init(_ error: any Error) {
        switch error {
        case let error as any CommandStatusProviding:
            message = String(describing: error)
            status = error.commandStatus
        case is CancellationError:
            message = "interrupted"
            status = .interrupted
        case let error as CocoaError where error.isFileError:
            message = Self.describe(error)
            status = .data
        case let error as DecodingError:
            message = Self.describe(error)
            status = .data
        default:
            message = String(describing: error)
            status = .failure
        }
        // One line, whatever a module or a server put into its message.
        message = message.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
            .joined(separator: " ")
    }

    /// Swift prints a decoding error as a tree; this says where in the JSON, and what is wrong there.
    private static func describe(_ error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        }
        func describe(_ context: DecodingError.Context) -> String {
            let path = place(context.codingPath)
            return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
        }
        switch error {
        case .keyNotFound(let key, let context): return "the field \"\(place(context.codingPath + [key]))\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            return describe(context)
        @unknown default: return String(describing: error)
        }
    }

    /// Foundation's file errors print as domain, code and dictionary; this says path and reason.
    private static func describe(_ error: CocoaError) -> String {
        let reason =
            switch error.code {
            case .fileNoSuchFile, .fileReadNoSuchFile: "no such file or folder"
            case .fileReadNoPermission, .fileWriteNoPermission: "permission denied"
            case .fileWriteOutOfSpace: "no space left on the disk"
            case .fileWriteFileExists: "exists already"
            default: (error.underlying ?? error).localizedDescription
            }
        let path = (error.userInfo[NSFilePathErrorKey] as? String) ?? error.url?.path
        return path.map { "\($0): \(reason)" } ?? reason
    }
}

extension CocoaError {
    fileprivate var isFileError: Bool {
        (CocoaError.Code.fileNoSuchFile.rawValue...1023).contains(code.rawValue)
    }
}

extension ParsableArguments {
    /// Ends the process as `error` asks: help and usage errors as the argument parser prints them, all others as one
    /// line `error: …` on standard error and their ``CommandStatus``. The same with `--json`: standard output then stays empty.
    static func exitReporting(_ error: any Error) -> Never {
        // The parser knows its own errors by their exit code; everything else is "failure" (1) to it.
        if error is ExitCode || exitCode(for: error) != .failure {
            exit(withError: error)
        }
        let report = ErrorReport(error)
        StandardError.writeLine("error: \(report.message)")
        Foundation.exit(report.status.rawValue)
    }
}
