import ArgumentParser
import Foundation
import MafinNumerics

/// What the user sees of an error: one line, and how the process ends.
package struct ErrorReport: Equatable {
    package var message: String
    var status: CommandStatus

    /// The report of any error that a command threw while it ran.
    package init(_ error: any Error) {
        switch error {
        case let error as any CommandStatusProviding:
            (message, status) = (error.commandMessage, error.commandStatus)
        case let error as ValidationError:
            message = error.message
            status = .usage
        case is CancellationError:
            message = "interrupted"
            status = .interrupted
        case let error as CocoaError where error.isFileError:
            message = Self.describe(error)
            status = error.code == .fileWriteOutOfSpace ? .failure : .data
        case let error as DecodingError:
            message = error.sentence
            status = .data
        default:
            message = String(describing: error)
            status = CommandStatus(of: error) ?? .failure
        }
        // One line, whatever a module or a server put into its message.
        message = message.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
            .joined(separator: " ")
    }

    /// What `--json` prints in place of a result: `{"error": {"kind": …, "message": …, "status": …}}`.
    var json: String {
        struct Answer: Encodable {
            struct Fields: Encodable {
                var kind: String
                var message: String
                var status: Int32
            }
            var error: Fields
        }
        let fields = Answer.Fields(kind: status.name, message: message, status: status.rawValue)
        return (try? JSONOutput.text(of: Answer(error: fields))) ?? "{}"
    }

    /// Foundation's file errors print as domain, code and dictionary; this says path and reason.
    private static func describe(_ error: CocoaError) -> String {
        let reason =
            switch error.code {
            case .fileNoSuchFile, .fileReadNoSuchFile: "no such file or folder"
            case .fileReadNoPermission, .fileWriteNoPermission: "permission denied"
            case .fileWriteOutOfSpace: "no space left on the disk"
            case .fileWriteFileExists: "it exists already"
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

extension ParsableCommand {
    /// Ends the process after an error in the command line: help and the version go to standard output, a fault to standard error, with the
    /// usage of the command.
    static func exitReportingUsage(_ error: any Error) -> Never {
        let text = fullMessage(for: error)
        guard exitCode(for: error) != .success else { exit(withError: error) }
        if isJSONWanted { print(ErrorReport(ValidationError(message(for: error))).json) }
        StandardError.writeLine(text.hasPrefix("Error: ") ? "error: " + text.dropFirst("Error: ".count) : text)
        Foundation.exit(CommandStatus.usage.rawValue)
    }

    /// Ends the process as an error of a running command asks: one line `error: …` on standard error, and its ``CommandStatus``. With `--json`
    /// the error is also printed as JSON on standard output, unless the result is there already.
    static func exitReporting(_ error: any Error) -> Never {
        // Help and the version are "errors" of a command that the parser runs for them.
        if error is ExitCode || exitCode(for: error) == .success { exit(withError: error) }
        let report = ErrorReport(error)
        if isJSONWanted, report.status != .conditionMet { print(report.json) }
        StandardError.writeLine("error: \(report.message)")
        Foundation.exit(report.status.rawValue)
    }

    /// Whether the command line asks for JSON. It may be faulty, so it is not parsed for this.
    private static var isJSONWanted: Bool {
        CommandLine.arguments.prefix { $0 != "--" }.contains(OutputOptions.jsonFlag)
    }
}
