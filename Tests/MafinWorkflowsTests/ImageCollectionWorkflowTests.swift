import Foundation
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinWorkflows

@Suite struct ImageCollectionWorkflowTests {
    @Test func brokenFilesAndCopiesAreNamed() throws {
        let folder = try TemporaryFolder()
        func write(_ data: Data, _ name: String) throws {
            let file = folder.url.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try data.write(to: file)
        }
        for (row, name) in ["a", "b"].enumerated() {
            for number in 0..<6 {
                try write(TestPicture.patches(row * 6 + number, side: 8), "in/\(name)/\(number).png")
            }
        }
        try write(TestPicture.patches(0, side: 8), "in/a/copy.png")
        try write(TestPicture.patches(1, side: 8), "in/b/of-another-class.png")
        let whole = TestPicture.patches(50, side: 8)
        try write(whole.prefix(whole.count / 2), "in/b/half.png")
        let lines = Mutex<[String]>([])
        let context = WorkflowContext(
            note: { line in lines.withLock { $0.append(line) } }, warn: { line in lines.withLock { $0.append(line) } })
        let output = folder.url.appendingPathComponent("out").path
        var workflow = ImageCollectionWorkflow(
            folder: folder.url.appendingPathComponent("in").path, output: output,
            plan: ImageFolder.Plan(queriesPerClass: 3, split: .images(train: 1, dev: 1, test: 1)), context: context)
        let error = #expect(throws: RetrievalError.self) { _ = try workflow.run() }
        let text = "\(try #require(error))"
        #expect(
            text.contains("1 images cannot be read")
                && text.contains("half.png: cannot be decoded: the file is truncated"), "\(text)")
        #expect(!FileManager.default.fileExists(atPath: output))
        workflow.skipsBroken = true
        let result = try workflow.run()
        #expect(result.documents == 6 && result.queries == ["train": 2, "dev": 2, "test": 2])
        #expect(result.broken == 1 && result.duplicates == 2)
        #expect(lines.withLock { $0 }.contains { $0.contains("of-another-class.png has the bytes of") })
        #expect(try RetrievalCollection(contentsOf: URL(fileURLWithPath: output)).documents.count == 6)
    }
}
