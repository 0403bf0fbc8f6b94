import ArgumentParser
import Foundation
import MafinNumerics

/// An error as the user sees it: one line, and the exit status.
package struct ErrorReport: Equatable {
    package var message: String
    var status: CommandStatus

    /// The report of an error that a running command threw.
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
        // The message of a module or a server may have several lines. They become one.
        message = message.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
            .joined(separator: " ")
    }

    /// The output of `--json` in place of a result: `{"error": {"kind": …, "message": …, "status": …}}`.
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

    /// Path and reason of one of Foundation's file errors, whose own text is a domain, a code and a dictionary.
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
    /// Ends the process after an error in the command line. Help and the version go to standard output. Other errors go to standard error, with
    /// the usage of the command.
    static func exitReportingUsage(_ error: any Error) -> Never {
        let text = fullMessage(for: error)
        guard exitCode(for: error) != .success else { exit(withError: error) }
        if isJSONWanted { print(ErrorReport(ValidationError(message(for: error))).json) }
        StandardError.writeLine(text.hasPrefix("Error: ") ? "error: " + text.dropFirst("Error: ".count) : text)
        Foundation.exit(CommandStatus.usage.rawValue)
    }

    /// Ends the process after an error of a running command: prints one line `error: …` on standard error and exits with its ``CommandStatus``.
    /// With `--json` the error is also printed as JSON on standard output, unless the result was already printed.
    static func exitReporting(_ error: any Error) -> Never {
        // For help and the version the parser runs a command of its own, which ends by throwing.
        if error is ExitCode || exitCode(for: error) == .success { exit(withError: error) }
        Foundation.exit(report(error).rawValue)
    }

    /// Prints the error of a running command.
    /// - Returns: the status to exit with.
    package static func report(_ error: any Error) -> CommandStatus {
        let report = ErrorReport(error)
        if isJSONWanted, report.status != .conditionMet { print(report.json) }
        StandardError.writeLine("error: \(report.message)")
        return report.status
    }

    /// Whether the command line has `--json`. The line may be faulty, so it is not parsed.
    private static var isJSONWanted: Bool {
        CommandLine.arguments.prefix { $0 != "--" }.contains(OutputOptions.jsonFlag)
    }
}
