import Foundation
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinServer

@Suite struct FeedbackTests {
    private let toy: ToyArtefact
    private var marks: URL { toy.folder.url.appendingPathComponent("marks") }
    private var file: URL { marks.appendingPathComponent("marks.jsonl") }

    init() async throws {
        toy = try ToyArtefact()
        try await toy.writeIndex()
    }

    private func export(_ name: String = "marked") throws -> (FeedbackExport, RetrievalCollection) {
        let folder = toy.folder.url.appendingPathComponent(name)
        let export = try FeedbackExport.write(
            marks: marks, documentsOf: SearchIndex(readingFrom: toy.index), to: folder)
        return (export, try RetrievalCollection(contentsOf: folder))
    }

    private func event(_ query: String, _ document: String, _ grade: Int?, key: String? = nil) -> FeedbackEvent {
        FeedbackEvent(key: key, query: query, document: document, grade: grade, index: "0")
    }

    @Test func marksBecomeACollection() async throws {
        let toy = toy
        var options = ServiceOptions()
        options.feedbackFolder = marks
        try await toy.service(options, withIndex: true).serving { client in
            for (query, document, grade) in [("w1  w2", "d3", 1), ("w1 w2", "d4", 0), ("w5", "d5", 1), ("w5", "d6", 1)]
            {
                let answer = try await client.post("/feedback", ["query": query, "document": document, "grade": grade])
                #expect(answer.status == 200, "\(answer.text)")
            }
            _ = try await client.post("/feedback", ["query": "w5", "document": "d6", "grade": NSNull()])
            let state = try await client.get("/feedback?query=w1%20w2")
            #expect(state.json["grades"] as? [String: Int] == ["d3": 1, "d4": 0], "\(state.text)")
            #expect(state.json["labels"] as? Int == 3 && state.json["queries"] as? Int == 2)
            #expect(try await client.post("/feedback", ["query": "w5", "document": "no", "grade": 1]).status == 404)
            #expect(try await client.post("/feedback", ["query": "w5", "document": "d5", "grade": 7]).status == 400)
        }
        let permissions = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? NSNumber
        #expect(permissions?.intValue == 0o600)
        let (counts, collection) = try export()
        #expect(counts.labels == 3 && counts.queries == 2 && counts.marksOfOtherDocuments == 0)
        #expect(collection.documents == ToyArtefact.documents && collection.queries.map(\.text) == ["w1  w2", "w5"])
        let qrels = try collection.qrels(split: "train")
        #expect(qrels[collection.queries[0].id] == ["d3": 1, "d4": 0] && qrels[collection.queries[1].id] == ["d5": 1])
        // An export does not overwrite a file.
        #expect(throws: (any Error).self) { try export() }
        // A new service continues with the marks of the last one.
        try await toy.service(options, withIndex: true).serving { client in
            let state = try await client.get("/feedback")
            #expect(state.json["labels"] as? Int == 3)
        }
    }

    /// Two services that share a folder, as in a rolling restart, keep each other's marks and see them.
    @Test func twoServicesKeepEachOthersMarks() async throws {
        let first = try FeedbackLog(marks)
        let second = try FeedbackLog(marks)
        for number in 0..<40 {
            let log = number % 2 == 0 ? first : second
            try await log.append(event("w1", "d\(number)", 1))
        }
        for log in [first, second] {
            let state = try await log.state(of: "w1", by: nil)
            #expect(state.grades.count == 40 && state.labels == 40 && state.queries == 1)
        }
    }

    /// A newer index lacks some documents: their marks are left out and counted, and training still reads the rest.
    @Test func marksOfDocumentsThatTheIndexLacksAreLeftOut() async throws {
        let log = try FeedbackLog(marks)
        try await log.append(event("w1", "gone", 1))
        try await log.append(event("w1", "d2", 1))
        try await log.append(event("w2", "gone", 1))
        let (counts, collection) = try export()
        #expect(counts.labels == 1 && counts.queries == 1 && counts.marksOfOtherDocuments == 2)
        #expect(try collection.qrels(split: "train")[collection.queries[0].id] == ["d2": 1])
    }

    @Test func eachKeyHasItsOwnMarksAndMostOfThemDecide() async throws {
        let log = try FeedbackLog(marks)
        for (key, grade) in [("alice", 1), ("bob", 0), ("carol", 0)] {
            try await log.append(event("w1", "d1", grade, key: key))
        }
        try await log.append(event("w1", "d2", 0, key: "bob"))
        try await log.append(event("w1", "d2", 1, key: "alice"))
        #expect(try await log.state(of: "w1", by: "alice").grades == ["d1": 1, "d2": 1])
        #expect(try await log.state(of: " w1 ", by: "bob").grades == ["d1": 0, "d2": 0])
        #expect(try await log.state(of: "w1", by: nil).grades.isEmpty)
        let (_, collection) = try export()
        #expect(try collection.qrels(split: "train")[collection.queries[0].id] == ["d1": 0, "d2": 1])
    }

    /// A full disk or a kill leaves an incomplete line: only that mark is lost.
    @Test func anIncompleteLineLosesOnlyItsMark() async throws {
        let log = try FeedbackLog(marks)
        try await log.append(event("w1", "d1", 1))
        let handle = try FileHandle(forWritingTo: file)
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"query":"w1","doc"#.utf8))
        try handle.close()
        try await log.append(event("w1", "d2", 1))
        #expect(try await log.state(of: "w1", by: nil).grades == ["d1": 1, "d2": 1])
        let (counts, _) = try export()
        #expect(counts.labels == 2 && counts.damagedLines == 1)
    }

    @Test func theFileIsBounded() async throws {
        let log = try FeedbackLog(marks, maximumBytes: 500)
        await #expect(throws: ServiceError.self) {
            for number in 0..<100 { try await log.append(event("w1", "d\(number)", 1)) }
        }
        #expect(try Data(contentsOf: file).count <= 500)
    }
}
