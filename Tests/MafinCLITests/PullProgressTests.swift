import MafinTestSupport
import Testing

@testable import MafinCLI
@testable import MafinCommandLine
@testable import MafinProviders

@Suite struct PullProgressTests {
    @Test func pullsShowABarOnlyForWhatTheyDownload() {
        func update(_ progress: PullProgress, _ file: String, _ done: Int, _ bytes: Int64) {
            var now = HubProgress(repository: "org/name", files: 2, totalBytes: 50_000_000)
            (now.file, now.filesDone, now.bytes) = (file, done, bytes)
            progress.update(now)
        }
        let written = Written()
        let output = ProgressBar.Output(terminal: .none, write: written.append)
        let cached = PullProgress(title: "org/name", output: output)
        update(cached, "", 0, 0)
        update(cached, "config.json", 1, 1_000_000)
        update(cached, "model.safetensors", 2, 50_000_000)
        cached.finish()
        #expect(written.text.isEmpty)

        let resumed = PullProgress(title: "org/name", output: output)
        update(resumed, "", 0, 0)
        update(resumed, "config.json", 1, 1_000_000)
        for bytes in [20_000_000, 30_000_000, 50_000_000] as [Int64] { update(resumed, "model.safetensors", 1, bytes) }
        update(resumed, "model.safetensors", 2, 50_000_000)
        resumed.finish()
        #expect(written.text.hasPrefix("org/name: 50 MB in "))
        #expect(written.text.hasSuffix("2 of 2 files\n"))
    }
}
